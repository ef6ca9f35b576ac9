import { expect } from 'chai';
import { Incarnation } from '../../src/store/incarnation.js';
import type { ServerFacts } from '../../src/store/redis-link.js';

const FACTS: ServerFacts = {
  version: '7.0.15',
  runId: 'a',
  role: 'master',
  replicationId: 'b',
  generation: 5,
  tracks: true,
  mayEvict: false,
  clockOffset: 0,
};

describe('an incarnation', () => {
  let incarnation: Incarnation;
  beforeEach(() => {
    incarnation = new Incarnation();
    incarnation.observe(FACTS);
  });

  it('has no name before the server has said anything, and keeps the first one', () => {
    expect(new Incarnation().name).to.equal(undefined);
    const { name } = incarnation;
    for (const generation of [6, 7, 9]) incarnation.observe({ ...FACTS, generation });
    expect(incarnation.name).to.equal(name);
    expect(incarnation.cause).to.equal(undefined);
  });

  const losses: readonly (readonly [string, Partial<ServerFacts>])[] = [
    ['run-id', { runId: 'other', generation: 6 }],
    ['role', { role: 'slave', generation: 6 }],
    ['replication-id', { replicationId: 'other', generation: 6 }],
    ['generation', { generation: 4 }],
    ['generation', { generation: 5 }],
  ];
  for (const [cause, change] of losses) {
    it(`is another one, because of its ${cause}, after ${JSON.stringify(change)}`, () => {
      const { name } = incarnation;
      incarnation.observe({ ...FACTS, ...change });
      expect(incarnation.name).not.to.equal(name);
      expect(incarnation.cause).to.equal(cause);
    });
  }

  it('takes one new name for all that one restart changes', () => {
    const restarted = { ...FACTS, runId: 'x', replicationId: 'y', generation: 1 };
    incarnation.observe(restarted);
    const { name } = incarnation;
    incarnation.observe({ ...restarted, generation: 2 });
    expect(incarnation.name).to.equal(name);
    expect(incarnation.cause).to.equal('run-id');
  });

  it('stays the same where the server will not say', () => {
    const { name } = incarnation;
    const silent = { runId: undefined, role: undefined, replicationId: undefined, generation: undefined };
    incarnation.observe({ ...FACTS, ...silent });
    incarnation.observe({ ...FACTS, generation: 6 });
    expect(incarnation.name).to.equal(name);
  });

  it('stays the same when somebody flushes the data: that is a wish, not a loss', () => {
    const { name } = incarnation;
    incarnation.flushed();
    incarnation.observe({ ...FACTS, generation: 1 });
    expect(incarnation.name).to.equal(name);
  });
});
