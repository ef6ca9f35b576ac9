import type { Random } from './random.js';
import type { Timeline } from './time.js';

/** One direction of one connection: in order, like TCP. What is held up arrives later, whoever has given up on it. */
export class Pipe {
  readonly #timeline: Timeline;
  readonly #cable: Cable;
  readonly #way: 'up' | 'down';
  #last = 0;
  #held: (() => void)[] = [];
  #stalledUntil = 0;
  #cut = false;

  constructor(timeline: Timeline, cable: Cable, way: 'up' | 'down') {
    this.#timeline = timeline;
    this.#cable = cable;
    this.#way = way;
  }

  send(deliver: () => void): void {
    this.#last = Math.max(this.#last, this.#timeline.now + this.#cable.delay());
    this.#timeline.at(this.#last, () => this.#arrive(deliver));
  }

  /** Packets are lost, and sent again by the kernel after a while. */
  stall(ms: number): void {
    this.#stalledUntil = this.#timeline.now + ms;
    this.#timeline.after(ms, () => this.release());
  }

  /** Nothing arrives any more. */
  cut(): void {
    this.#cut = true;
    this.#held = [];
  }

  release(): void {
    if (this.#blocked || this.#held.length === 0) return;
    for (const deliver of this.#held.splice(0)) deliver();
  }

  #arrive(deliver: () => void): void {
    if (this.#cut) return;
    if (this.#blocked || this.#held.length > 0) this.#held.push(deliver);
    else deliver();
  }

  get #blocked(): boolean {
    return this.#cable.blocked[this.#way] || this.#stalledUntil > this.#timeline.now;
  }
}

/** The network between one instance and Redis. */
export class Cable {
  readonly blocked = { up: false, down: false };
  refuses = false;
  /** So many of the next replies are lost after the request was applied. */
  loseReplies = 0;
  slowness: readonly [number, number] = [0.2, 1.5];
  readonly #timeline: Timeline;
  readonly #random: Random;
  #pipes: Pipe[] = [];

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
  }

  delay(): number {
    return this.#random.between(...this.slowness);
  }

  chance(probability: number): boolean {
    return this.#random.chance(probability);
  }

  pipe(way: 'up' | 'down'): Pipe {
    const pipe = new Pipe(this.#timeline, this, way);
    this.#pipes = [...this.#pipes.slice(-20), pipe];
    return pipe;
  }

  /** The kernel's next retransmission brings what waited, connection by connection. */
  unblock(): void {
    this.blocked.up = false;
    this.blocked.down = false;
    for (const pipe of this.#pipes) this.#timeline.after(this.#random.between(1, 80), () => pipe.release());
  }
}
