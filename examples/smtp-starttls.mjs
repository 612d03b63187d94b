/**
 * Mail over SMTP, made secure in its middle by STARTTLS (RFC 3207): a small server, and a client.
 *
 *     node examples/smtp-starttls.mjs                          sends a mail to itself, and shows how that goes
 *     node examples/smtp-starttls.mjs serve [--port N] [--cert FILE --key FILE] [--user NAME --password SECRET]
 *     node examples/smtp-starttls.mjs send --port N [--host HOST] [--ca FILE] [--user NAME --password SECRET]
 *
 * `serve` prints `up` and the port when it listens, then each mail, and each connection that went wrong. Commands that
 * come in the clear behind STARTTLS, to be taken for what comes securely, are never carried out: they end the connection.
 * So do answers that come behind the one to STARTTLS, for `send`, which ends with 1 then, as with any failure.
 */
import { sendMail } from './smtp-starttls/client.mjs';
import { serveSmtp } from './smtp-starttls/server.mjs';
import { commandLine, run, serveUntilStopped } from './starttls/command.mjs';

const MAIL = {
  from: 'ann@client.example',
  to: ['bob@mail.example', 'eve@mail.example'],
  text: 'Subject: dots\n\nA line may be a dot,\n.\nor begin with two:\n..\nand none of them ends the mail.\n',
};

const { command, forServer, forClient } = commandLine();
await run('smtp-starttls', command, { serve, send, undefined: demonstrate });

async function serve() {
  const onMail = (mail) => console.log(`mail ${JSON.stringify(mail)}`);
  serveUntilStopped(await serveSmtp({ ...forServer(), onMail }));
}

function send(where = {}) {
  return sendMail({ ...forClient(), ...where, ...MAIL }, console.log);
}

async function demonstrate() {
  const mails = [];
  const server = await serveSmtp({ ...forServer(), onMail: (mail) => mails.push(mail) });
  try {
    await send({ port: server.port });
  } finally {
    await server.close();
  }
  const [{ from, to, text }] = mails;
  console.log(`\nfrom ${from} to ${to.join(' and ')}:\n\n${text.replaceAll('\r\n', '\n')}`);
}
