import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createClient } from 'redis';
import { peer } from './peer.js';
import { answer, type Shopper } from './shopper.js';

type Request = IncomingMessage & { readonly url: string; readonly session: Shopper };
type Response = ServerResponse & { status(code: number): Response; send(body: string): Response };

interface Express {
  readonly default: () => RequestListener & {
    use(handler: unknown): void;
  };
}

interface ConnectRedis {
  readonly RedisStore: new (options: { client: unknown }) => object;
}

/**
 * express-session with connect-redis. A read extends the life of the key (EXPIRE), as is its default; that it writes the
 * whole session again, and stores empty ones, is off (`resave`, `saveUninitialized`), as its documentation advises.
 */
export async function start(url: string): Promise<RequestListener> {
  const { default: express } = await peer<Express>('express');
  const { default: session } = await peer<{ default: (options: object) => unknown }>('express-session');
  const { RedisStore } = await peer<ConnectRedis>('connect-redis');
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  const secret = randomBytes(32).toString('hex');
  const app = express();
  const store = new RedisStore({ client });
  app.use(session({ store, secret, resave: false, saveUninitialized: false }));
  app.use((request: Request, response: Response) => {
    const { status, body } = answer(request.url, request.session);
    response.status(status).send(body);
  });
  return app;
}
