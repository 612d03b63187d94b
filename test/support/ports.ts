/** Ports for programs that cannot say which one they took. */
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

/** Ports that nobody listens at now, none of them twice. */
export async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(
    Array.from({ length: count }, async () => {
      const probe = net.createServer();
      await once(probe.listen(0, '127.0.0.1'), 'listening');
      return probe;
    }),
  );
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port);
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')));
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}
