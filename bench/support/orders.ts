/** What goes between a process of the benchmark and the one that started it. */
export interface Order {
  readonly id: number;
  readonly order: string;
  readonly arg: unknown;
}

export type Reply =
  | { readonly ready: true }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly event: string; readonly at: number };

type Act = (arg: never) => unknown;

function send(reply: Reply): void {
  process.send?.(reply);
}

/** Does what it is told until the process that started it is gone. */
export function obey(acts: Readonly<Record<string, Act>>): void {
  process.on('message', (message: Order) => void carryOut(acts, message));
  process.on('disconnect', () => process.exit());
  send({ ready: true });
}

/** Tells the other process that something has happened, and when (wall-clock ms). */
export function tell(event: string): void {
  send({ event, at: Date.now() });
}

async function carryOut(acts: Readonly<Record<string, Act>>, { id, order, arg }: Order): Promise<void> {
  try {
    const act = acts[order];
    if (!act) throw new RangeError(`no such order: ${order}`);
    send({ id, result: await act(arg as never) });
  } catch (error) {
    send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
