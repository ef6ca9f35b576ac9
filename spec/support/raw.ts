import { connect } from 'node:net';

/** All that a server sends until it closes the connection, byte for byte; `lines` is the head of the request, in latin1. */
export function rawExchange(port: number, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1').setEncoding('latin1');
    let text = '';
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', reject).on('end', () => resolve(text));
    socket.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`, 'latin1');
  });
}
