/**
 * examples/smtp-starttls.mjs: with itself, with openssl and curl, and with those who inject what should come securely
 * (RFC 3207 §6; CVE-2011-0411 for servers, CVE-2021-22947 for clients).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, framed, lines } from 'miniproto';
import { startTls } from 'miniproto/tls';
import { runNode } from '../docs/run.js';
import { certificate, fixture } from '../support/certificates.js';
import { type Companion, findProgram, skipLoudly } from '../support/installed.js';
import { OPENSSL } from '../support/openssl.js';
import { curl } from '../support/proxied.js';
import {
  deceive,
  failsWith,
  INJECTED,
  sayByOpenssl,
  sayInClear,
  startExample,
  TLS_OPTIONS,
} from '../support/starttls.js';

const PROGRAM = 'examples/smtp-starttls.mjs';
const CURL = findProgram('curl');
/** `\0ann\0open sesame` */
const CREDENTIALS = Buffer.from('\0ann\0open sesame').toString('base64');

describe(PROGRAM, function () {
  this.timeout(60_000);

  it('sends a mail to itself', async () => {
    const text = await runNode([PROGRAM]);
    assert.match(text, /^clear {2}> STARTTLS\nclear {2}< 220 go ahead\n------ TLSv1.3, \w+\nsecure > EHLO/m);
    assert.match(text, /\n\.\nor begin with two:\n\.\.\nand none of them ends the mail\.\n/);
  });

  it('says that it knows no such command', async () => {
    await failsWith([PROGRAM, 'sing'], /^smtp-starttls: there is no 'sing'; there are serve and send$/m);
  });

  describe('its server', () => {
    let program: Companion;
    let port: number;
    beforeEach(async () => {
      ({ program, port } = await startExample(PROGRAM, 'serve'));
    });
    afterEach(() => program.stop());

    it('takes no password, no mail and no second-hand greeting in the clear', async () => {
      const text = await sayInClear(port, [
        [
          /^220 /,
          `EHLO a\r\nAUTH PLAIN ${CREDENTIALS}\r\nMAIL FROM:<a@a>\r\nRCPT TO:<a@a>\r\nDATA\r\nSING\r\nQUIT\r\n`,
        ],
      ]);
      assert.doesNotMatch(text, /AUTH PLAIN/);
      assert.deepEqual(text.match(/^\d{3}(?= )/gm), ['220', '250', '538', '530', '530', '530', '500', '221']);
    });

    for (const [what, injected] of [
      ['a mail', 'EHLO a\r\nMAIL FROM:<mallory@a>\r\nRCPT TO:<a@a>\r\nDATA\r\nhello\r\n.\r\n'],
      ['a password', `AUTH PLAIN ${CREDENTIALS}\r\n`],
      ['half a command', 'M'],
      ...INJECTED,
    ] as const) {
      it(`does nothing with ${what} behind STARTTLS, and ends the connection`, async () => {
        const heard = await sayInClear(port, [
          [/^220 /, 'EHLO a\r\n'],
          [/^250 STARTTLS\r\n/m, `STARTTLS\r\n${injected}`],
        ]);
        assert.match(await program.lineLike(/^ended: (.*)/), /^ERR_UNREAD_INPUT: /);
        assert.doesNotMatch(heard.slice(heard.indexOf('250 STARTTLS') + 14), /^(?!220 go ahead\r\n$)./);
        // Nothing was carried out, and others are served.
        assert.match(await runNode([PROGRAM, 'send', '--port', `${port}`]), /secure < 221 bye\n$/);
        assert.match(await program.line(), /^mail .*"from":"ann@client\.example"/);
      });
    }

    it('does nothing with commands in the place of TLS', async () => {
      await sayInClear(port, [
        [/^220 /, 'STARTTLS\r\n'],
        [/^220 /, `AUTH PLAIN ${CREDENTIALS}\r\nMAIL FROM:<mallory@a>\r\n`],
      ]);
      assert.match(await program.lineLike(/^ended: (.*)/), /^ERR_TLS_RECORD: /);
    });

    it('knows nobody by another password', async () => {
      const words = [PROGRAM, 'send', '--port', `${port}`, '--password', 'guessed'];
      assert.doesNotMatch(await failsWith(words, /the server says 535 /), /MAIL/);
    });

    it('takes no half of a mail', async () => {
      const clear = framed(await connect({ port, host: '127.0.0.1' }), lines({ newline: 'crlf' }));
      clear.tryWrite('STARTTLS');
      for (const answer of [/^220 mail/, /^220 go/]) assert.match(String(await clear.read()), answer);
      const talk = framed(startTls(clear, { host: '127.0.0.1', ca: certificate('ca') }), lines({ newline: 'crlf' }));
      for (const line of [`AUTH PLAIN ${CREDENTIALS}`, 'MAIL FROM:<a@a>', 'RCPT TO:<b@b>', 'DATA', 'half of']) {
        await talk.write(line);
      }
      for (const answer of [/^235/, /^250/, /^250/, /^354/]) assert.match(String(await talk.read()), answer);
      await talk.end();
      // Without a close_notify: an error ends it.
      await assert.rejects(talk.read());
      assert.equal(await program.line(), 'ended: a client has ended in the middle of a mail');
    });

    it('is left alone by a client that does not trust it', async () => {
      const words = [PROGRAM, 'send', '--port', `${port}`, '--ca', fixture('other-ca.cert.pem')];
      assert.doesNotMatch(await failsWith(words, /ERR_TLS_CERTIFICATE/), /secure/);
    });

    describe('with openssl', () => {
      before(function () {
        if (OPENSSL === undefined) skipLoudly(this, 'openssl', 'openssl');
      });

      for (const version of TLS_OPTIONS) {
        it(`goes through a conversation of s_client -starttls smtp ${version}`, async () => {
          await sayByOpenssl({ protocol: 'smtp', port, version }, [
            ['EHLO openssl', /250 AUTH PLAIN\r\n/],
            ['STARTTLS', /503 it is secure already/],
            ['AUTH PLAIN', /334 \r\n/],
            [CREDENTIALS, /235 2\.7\.0 hello ann/],
            ['MAIL FROM:<a@a>', /250 2\.1\.0 from a@a/],
            ['RCPT TO:<b@b>', /250 2\.1\.5 to b@b/],
            ['DATA', /354 /],
            ['..dots\n..\n.', /250 2\.0\.0 done/],
            ['QUIT', /221 bye/],
          ]);
          const mail = { user: 'ann', from: 'a@a', to: ['b@b'], text: '.dots\r\n.\r\n' };
          assert.deepEqual(JSON.parse(await program.lineLike(/^mail (.*)/)), mail);
        });
      }
    });

    describe('with curl', () => {
      before(function () {
        if (CURL === undefined) skipLoudly(this, 'curl', 'curl');
      });

      it('takes a mail with dots, of some length', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'miniproto-smtp-'));
        try {
          const file = join(folder, 'mail');
          const text = `Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n${'a line like any other\r\n'.repeat(20_000)}end\r\n`;
          writeFileSync(file, text);
          const url = `smtp://127.0.0.1:${port}/curl.example`;
          const who = ['--user', 'ann:open sesame', '--cacert', fixture('ca.cert.pem'), '--ssl-reqd'];
          const what = ['--mail-from', 'a@a', '--mail-rcpt', 'b@b', '--upload-file', file];
          assert.equal((await curl(CURL!, ...who, ...what, url)).code, 0);
          const mail = JSON.parse(await program.lineLike(/^mail (.*)/));
          assert.deepEqual([mail.from, mail.to], ['a@a', ['b@b']]);
          assert.ok(mail.text === text);
        } finally {
          rmSync(folder, { recursive: true });
        }
      });
    });
  });

  describe('its client', () => {
    /** A server that offers STARTTLS and answers it like this. @returns what the client has said. */
    function meet(expected: RegExp, { offer = '250 STARTTLS\r\n', answer = '220 go ahead\r\n' }) {
      const told: Record<string, string> = { EHLO: `250-a\r\n${offer}`, STARTTLS: answer };
      const answers = (line: string) => told[line.split(' ')[0]!] ?? '250 done\r\n';
      return deceive([PROGRAM, 'send'], { greeting: '220 a\r\n', answer: answers, expected });
    }

    for (const [what, injected] of [
      ['an answer', '250 AUTH PLAIN\r\n'],
      ['all the answers', '250 a\r\n235 hello\r\n250 a\r\n250 a\r\n354 a\r\n250 done\r\n221 bye\r\n'],
      ['half an answer', '2'],
    ] as const) {
      it(`believes nothing of ${what} behind the one to STARTTLS`, async () => {
        const heard = await meet(/^smtp-starttls: ERR_UNREAD_INPUT: /m, { answer: `220 go ahead\r\n${injected}` });
        assert.equal(heard, 'EHLO client.example\r\nSTARTTLS\r\n');
      });
    }

    it('goes on in the clear for nobody', async () => {
      const silent = await meet(/does not offer STARTTLS/, { offer: '250 AUTH PLAIN\r\n' });
      assert.equal(silent, 'EHLO client.example\r\n');
      const refused = await meet(/the server says 454 not now/, { answer: '454 not now\r\n' });
      assert.equal(refused, 'EHLO client.example\r\nSTARTTLS\r\n');
    });
  });
});
