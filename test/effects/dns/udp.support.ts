/** DNS servers over UDP on loopback addresses of their own, that say what they are told to. */
import { createSocket, type Socket } from 'node:dgram';
import dnsPacket, { type Answer, type Question } from 'dns-packet';

export type Records = readonly Answer[];
const open: Socket[] = [];

/** For `afterEach`. */
export async function closeServers(): Promise<void> {
  await Promise.all(open.splice(0).map((socket) => new Promise<void>((done) => socket.close(done))));
}

export interface Udp {
  records: Records;
  /** RCODE for everything, in the place of an answer. */
  rcode: number;
  asked: number;
}

/** A server over UDP that has these records; unknown names do not exist. */
export async function serve(host: string, port: number, records: Records): Promise<Udp> {
  const server: Udp = { records, rcode: 0, asked: 0 };
  const socket = createSocket('udp4');
  open.push(socket);
  socket.on('message', (bytes, from) => {
    const { id = 0, questions = [] } = dnsPacket.decode(bytes);
    const { name, type } = questions[0] as Question;
    server.asked += 1;
    const here = server.records.filter((record) => record.name === name.toLowerCase());
    const answers = server.rcode === 0 ? here.filter((record) => record.type === type) : [];
    const rcode = server.rcode !== 0 ? server.rcode : here.length === 0 ? 3 : 0;
    const flags = dnsPacket.AUTHORITATIVE_ANSWER | rcode;
    socket.send(dnsPacket.encode({ type: 'response', id, flags, questions, answers }), from.port, from.address);
  });
  await new Promise<void>((done) => socket.bind(port, host, done));
  return server;
}
