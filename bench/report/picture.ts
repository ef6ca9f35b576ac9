import type { OutageRun, State } from '../parts/outage.js';
import type { Second } from '../parts/timeline.js';

/** The outage second by second as an SVG: throughput above, latency below on a logarithmic scale. */
const WIDTH = 860;
const LEFT = 64;
const RIGHT = 70;
const PANEL = 170;
const TOPS = { throughput: 64, latency: 284 } as const;
const HEIGHT = 500;
const INNER = WIDTH - LEFT - RIGHT;

/** A picture in a README has no page around it: its own rules say what is dark and what is light. */
const STYLE = `
  svg { --ink: #1f2328; --soft: #59636e; --rule: #d1d9e0; --paper: #ffffff; --down: #cf222e; --ice: #0969da;
    --one: #0969da; --two: #bc4c00; --three: #8250df; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #f0f6fc; --soft: #9198a1; --rule: #3d444d; --paper: #0d1117; --down: #f85149; --ice: #58a6ff;
      --one: #58a6ff; --two: #f0883e; --three: #bc8cff; }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--soft); }
  .title { font-size: 15px; font-weight: 600; fill: var(--ink); }
  .name { font-weight: 600; fill: var(--ink); }
  .rule { stroke: var(--rule); }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .end { text-anchor: end; } .middle { text-anchor: middle; }`;

const LINES = [
  { key: 'p50', label: 'p50', colour: 'var(--one)', dash: '' },
  { key: 'p99', label: 'p99', colour: 'var(--two)', dash: '6 3' },
  { key: 'p999', label: 'p99.9', colour: 'var(--three)', dash: '2 3' },
] as const;

const BANDS: Readonly<Partial<Record<State, { readonly colour: string; readonly label: string }>>> = {
  killed: { colour: 'var(--down)', label: 'Redis killed' },
  frozen: { colour: 'var(--ice)', label: 'Redis frozen' },
};

export function picture(run: OutageRun): string {
  const { seconds, writing, users } = run;
  const what = `${users} users, ${writing} of 10 requests write: Redis is killed, restarted, frozen and thawed`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${what}">`,
    `<style>${STYLE}\n</style>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="var(--paper)"/>`,
    text(LEFT, 26, 'title', what),
    ...bands(run),
    ...throughput(seconds),
    ...latency(seconds),
    ...clock(seconds.length),
    '</svg>',
    '',
  ].join('\n');
}

function text(x: number, y: number, kind: string, words: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}">${words}</text>`;
}

function across(second: number, count: number): number {
  return LEFT + (second / count) * INNER;
}

function bands({ states }: OutageRun): string[] {
  return Object.entries(BANDS).flatMap(([state, { colour, label }]) => {
    const [from, to] = [
      states.findIndex(each => each === state),
      states.findLastIndex(each => each === state) + 1,
    ];
    if (from < 0) return [];
    const [left, right] = [across(from, states.length), across(to, states.length)];
    const rect = (top: number): string =>
      `<rect x="${left.toFixed(1)}" y="${top}" width="${(right - left).toFixed(1)}" height="${PANEL}" fill="${colour}" opacity="0.13"/>`;
    return [
      ...Object.values(TOPS).map(rect),
      text((left + right) / 2, TOPS.throughput - 8, 'middle name', label),
    ];
  });
}

function rules(top: number, ticks: readonly (readonly [share: number, label: string])[]): string[] {
  return ticks.flatMap(([share, label]) => {
    const y = top + PANEL * (1 - share);
    const line = `<line x1="${LEFT}" x2="${LEFT + INNER}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" class="rule"/>`;
    return [line, text(LEFT - 8, y + 4, 'end', label)];
  });
}

/** A second is drawn at its middle. `share`: how high in the panel, 0 to 1. */
function line(top: number, shares: readonly (number | undefined)[], colour: string, dash = ''): string {
  let pen = 'M';
  const path = shares.map((share, second) => {
    if (share === undefined) {
      pen = 'M';
      return '';
    }
    const [x, y] = [across(second + 0.5, shares.length), top + PANEL * (1 - Math.min(1, Math.max(0, share)))];
    const point = `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
    return point;
  });
  const dashed = dash === '' ? '' : ` stroke-dasharray="${dash}"`;
  return `<path class="line" stroke="${colour}"${dashed} d="${path.join('')}"/>`;
}

function throughput(seconds: readonly Second[]): string[] {
  const top = niceAbove(Math.max(...seconds.map(({ count }) => count)));
  const ticks = [0, 0.5, 1].map(share => [share, (top * share).toLocaleString('en')] as const);
  return [
    ...rules(TOPS.throughput, ticks),
    line(
      TOPS.throughput,
      seconds.map(({ count }) => count / top),
      'var(--one)',
    ),
    text(LEFT + INNER + 8, TOPS.throughput + 14, 'name', 'requests'),
    text(LEFT + INNER + 8, TOPS.throughput + 30, 'name', 'a second'),
  ];
}

function niceAbove(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return ([1, 2, 3, 4, 5, 6, 8, 10].find(times => times * unit >= value) ?? 10) * unit;
}

/** From 0.1 ms to 1 s. */
const DECADES = { from: -1, to: 3 } as const;

function latency(seconds: readonly Second[]): string[] {
  const share = (ms: number): number => (Math.log10(ms) - DECADES.from) / (DECADES.to - DECADES.from);
  const ticks = [0.1, 1, 10, 100, 1000].map(ms => [share(ms), `${ms} ms`] as const);
  const names = LINES.map(({ label, colour }, row) => {
    const y = TOPS.latency + 14 + row * 18;
    return `<text x="${LEFT + INNER + 8}" y="${y}" class="name" style="fill: ${colour}">${label}</text>`;
  });
  const paths = LINES.map(({ key, colour, dash }) =>
    line(
      TOPS.latency,
      seconds.map(second => (second.count > 0 ? share(second[key]) : undefined)),
      colour,
      dash,
    ),
  );
  return [...rules(TOPS.latency, ticks), ...paths, ...names];
}

function clock(count: number): string[] {
  const y = TOPS.latency + PANEL + 20;
  const ticks = Array.from({ length: Math.floor(count / 5) + 1 }, (_, index) => index * 5);
  return ticks.map(second => text(across(second, count), y, 'middle', `${second} s`));
}
