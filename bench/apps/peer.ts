/**
 * A package of `bench/package.json`, which is installed on demand, so its types are not at hand: each app says what it
 * uses of it.
 */
export async function peer<T>(name: string): Promise<T> {
  return (await import(name)) as T;
}
