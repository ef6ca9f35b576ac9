/** Markdown, and figures in words. Docs hold no number that was typed by hand. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '--:'));
  return [head, rule, ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n');
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export function ratioOf(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '–';
}

export function tenths(value: number): string {
  return value.toFixed(1);
}

/** Three digits that matter. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 ? whole(value) : Number(value.toPrecision(3)).toString();
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function size(bytes: number): string {
  if (bytes >= 2 ** 20) return `${Math.round(bytes / 2 ** 20)} MiB`;
  return bytes >= 1_024 ? `${Math.round(bytes / 1_024)} KB` : `${bytes} B`;
}

/** `0.26`, or `0.26 to 0.41`. */
export function span(values: readonly number[], digits = 2): string {
  if (values.length === 0 || values.some(value => !Number.isFinite(value))) return '–';
  const [low, high] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)];
  return low === high ? low : `${low} to ${high}`;
}
