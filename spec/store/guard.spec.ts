import { expect } from 'chai';
import { StoreFault } from '../../src/store/fault.js';
import { GuardedStore } from '../../src/store/guard.js';
import type { SessionStore } from '../../src/store/store.js';

const fail = (): never => {
  throw new Error('canary');
};

/** What a store of somebody else may be, whatever its types say. */
function guarded(parts: object): GuardedStore {
  return new GuardedStore(parts as SessionStore);
}

describe('a store of the user’s own', () => {
  const broken = guarded({
    read: fail,
    swap: fail,
    incarnation: fail,
    lossCause: fail,
    mayEvict: fail,
    clockOffset: fail,
    watch: fail,
    watching: fail,
  });

  it('that throws is at fault, and nothing of its words comes through', async () => {
    for (const answer of [broken.read('k'), broken.swap('k', Buffer.alloc(18), null, 1)]) {
      const error = await answer.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(StoreFault).with.property('class', 'ambiguous');
      expect(String(error)).not.to.include('canary');
    }
  });

  it('that throws where it is asked about itself says nothing', () => {
    broken.watch({ changed: fail, flushed: fail, reached: fail });
    const said = [broken.incarnation(), broken.lossCause(), broken.watching(), broken.clockOffset()];
    expect(said).to.deep.equal([undefined, undefined, undefined, undefined]);
    expect(broken.mayEvict()).to.equal(false);
  });

  for (const swapped of [undefined, null, true, {}, { done: 'yes' }, { done: false, current: 'text' }]) {
    it(`that answers a swap with ${JSON.stringify(swapped) ?? 'undefined'} is at fault`, async () => {
      const store = guarded({ swap: async () => swapped });
      const error: unknown = await store.swap('k', Buffer.alloc(18), null, 1).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(StoreFault).with.property('class', 'ours');
    });
  }

  it('that answers as the contract says passes', async () => {
    const current = Buffer.alloc(18, 2);
    const store = guarded({ read: async () => current, swap: async () => ({ done: false, current }) });
    expect(await store.read('k')).to.equal(current);
    expect(await store.swap('k', current, null, 1)).to.deep.equal({ done: false, current });
  });
});
