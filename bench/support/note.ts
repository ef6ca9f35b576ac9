const began = performance.now();

/** To stderr: where the benchmark is. The results alone go to stdout. */
export function note(text: string): void {
  const seconds = Math.round((performance.now() - began) / 1000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
}
