/**
 * Runs `task` over `items`, `width` at a time, so that the requests of users find their place between them. Ends early
 * once a task resolves false; resolves whether all were done.
 */
export async function paced<T>(
  items: Iterable<T>,
  width: number,
  task: (item: T) => Promise<boolean>,
): Promise<boolean> {
  const next = items[Symbol.iterator]();
  let going = true;
  const worker = async (): Promise<void> => {
    for (let item = next.next(); going && item.done !== true; item = next.next()) {
      if (!(await task(item.value))) going = false;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return going;
}
