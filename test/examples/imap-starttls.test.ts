/**
 * examples/imap-starttls.mjs: with itself, with openssl and curl, and with those who inject what should come securely
 * (RFC 9051 §11.1; CVE-2021-22947, and PREAUTH as CVE-2020-12398).
 */
import assert from 'node:assert/strict';
import { runNode } from '../docs/run.js';
import { fixture } from '../support/certificates.js';
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

const PROGRAM = 'examples/imap-starttls.mjs';
const CURL = findProgram('curl');
/** The first mail. */
const MAIL = 'Subject: literals\r\n\r\nNothing in here ends anything:\r\nA5 OK\r\n)\r\n* BYE\r\n{3}\r\n';
const LONG_MAIL = `Subject: large\r\n\r\n${'0123456789abcdef'.repeat(4)}\r\n`.repeat(10_000);

describe(PROGRAM, function () {
  this.timeout(60_000);

  it('fetches a mail from itself', async () => {
    const text = await runNode([PROGRAM]);
    assert.match(text, /^clear {2}> A2 STARTTLS\nclear {2}< A2 OK begin\n------ TLSv1.3, \w+\nsecure > A3/m);
    assert.ok(text.includes(`\n\n${MAIL}`));
    assert.match(await runNode([PROGRAM, '--number', '2']), /BODY\[\] \{0\}\nsecure < \(0 bytes\)\nsecure < \)\n/);
  });

  describe('its server', () => {
    let program: Companion;
    let port: number;
    beforeEach(async () => {
      ({ program, port } = await startExample(PROGRAM, 'serve'));
    });
    afterEach(() => program.stop());

    it('takes no password in the clear, and shows nothing', async () => {
      const lines = [
        'CAPABILITY',
        'LOGIN ann "open sesame"',
        'SELECT INBOX',
        'FETCH 1 BODY[]',
        'LOGIN {3}',
        'AUTHENTICATE PLAIN',
      ];
      const said = [...lines, 'LOGOUT'].map((line, i) => `a${i} ${line}\r\n`).join('');
      const text = await sayInClear(port, [[/^\* OK /, said]]);
      assert.match(text, /^\* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r$/m);
      const answers = ['a0 OK', 'a1 NO', 'a2 NO', 'a3 NO', 'a4 BAD', 'a5 NO', 'a6 OK'];
      assert.deepEqual(text.match(/^a\d \w+/gm), answers);
      assert.doesNotMatch(text, /FETCH/);
    });

    for (const [what, injected] of [
      ['a password', 'a2 LOGIN ann "open sesame"\r\na3 SELECT INBOX\r\na4 FETCH 1 BODY[]\r\n'],
      ['a literal', 'a2 LOGIN {3}\r\nann {11}\r\nopen sesame\r\n'],
      ['half a command', 'a'],
      ...INJECTED,
    ] as const) {
      it(`does nothing with ${what} behind STARTTLS, and ends the connection`, async () => {
        const heard = await sayInClear(port, [
          [/^\* OK /, 'a0 CAPABILITY\r\n'],
          [/^a0 OK/m, `a1 STARTTLS\r\n${injected}`],
        ]);
        assert.match(await program.lineLike(/^ended: (.*)/), /^ERR_UNREAD_INPUT: /);
        assert.doesNotMatch(heard.slice(heard.indexOf('a0 OK\r\n') + 7), /^(?!a1 OK begin\r\n$)./);
        assert.match(await runNode([PROGRAM, 'fetch', '--port', `${port}`]), /secure < A7 OK bye\n/);
      });
    }

    it('does nothing with commands in the place of TLS', async () => {
      await sayInClear(port, [
        [/^\* OK /, 'a1 STARTTLS\r\n'],
        [/^a1 OK/, 'a2 LOGIN ann "open sesame"\r\n'],
      ]);
      assert.match(await program.lineLike(/^ended: (.*)/), /^ERR_TLS_RECORD: /);
    });

    it('is left alone by a client that does not trust it, and knows nobody by another password', async () => {
      const there = [PROGRAM, 'fetch', '--port', `${port}`];
      const strange = [...there, '--ca', fixture('other-ca.cert.pem')];
      assert.doesNotMatch(await failsWith(strange, /ERR_TLS_CERTIFICATE/), /LOGIN …/);
      await failsWith([...there, '--password', 'guessed'], /A4 NO \[AUTHENTICATIONFAILED\]/);
    });

    describe('with openssl', () => {
      before(function () {
        if (OPENSSL === undefined) skipLoudly(this, 'openssl', 'openssl');
      });

      for (const version of TLS_OPTIONS) {
        it(`goes through a conversation of s_client -starttls imap ${version}`, async () => {
          const printed = await sayByOpenssl({ protocol: 'imap', port, version }, [
            ['a CAPABILITY', /\* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na OK\r\n/],
            ['b STARTTLS', /b BAD /],
            ['c LOGIN "ann" "open sesame"', /c OK hello ann/],
            ['d SELECT inbox', /\* 3 EXISTS\r\n(?:\*.*\r\n)*d OK \[READ-ONLY\]/],
            ['e FETCH 1 BODY[]', /e OK/],
            ['f LOGOUT', /\* BYE\r\nf OK bye/],
          ]);
          assert.ok(printed.includes(`* 1 FETCH (BODY[] {${MAIL.length}}\r\n${MAIL})\r\ne OK`));
        });
      }
    });

    describe('with curl', () => {
      before(function () {
        if (CURL === undefined) skipLoudly(this, 'curl', 'curl');
      });

      for (const [number, mail] of [
        [1, MAIL],
        [3, LONG_MAIL],
      ] as const) {
        it(`gives mail ${number}, of ${mail.length} bytes`, async () => {
          const who = ['--user', 'ann:open sesame', '--cacert', fixture('ca.cert.pem'), '--ssl-reqd'];
          const { code, text } = await curl(CURL!, ...who, `imap://127.0.0.1:${port}/INBOX;MAILINDEX=${number}`);
          assert.equal(code, 0);
          assert.ok(text === mail);
        });
      }
    });
  });

  describe('its client', () => {
    /** A server that greets, offers and answers STARTTLS like this. @returns what the client has said. */
    function meet(expected: RegExp, { greeting = '* OK a', offer = 'STARTTLS', answer = 'A2 OK begin\r\n' }) {
      const told: Record<string, string> = {
        CAPABILITY: `* CAPABILITY IMAP4rev1 ${offer}\r\nA1 OK\r\n`,
        STARTTLS: answer,
      };
      const answers = (line: string) => told[line.split(' ')[1]!] ?? '';
      return deceive([PROGRAM, 'fetch'], { greeting: `${greeting}\r\n`, answer: answers, expected });
    }

    for (const [what, injected] of [
      ['an answer', '* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n'],
      ['all the answers', 'A3 OK\r\nA4 OK\r\nA5 OK\r\n* 1 FETCH (BODY[] {5}\r\nhello)\r\nA6 OK\r\nA7 OK\r\n'],
      ['half an answer', '*'],
    ] as const) {
      it(`believes nothing of ${what} behind the one to STARTTLS`, async () => {
        const heard = await meet(/^imap-starttls: ERR_UNREAD_INPUT: /m, { answer: `A2 OK begin\r\n${injected}` });
        assert.equal(heard, 'A1 CAPABILITY\r\nA2 STARTTLS\r\n');
      });
    }

    it('goes on in the clear for nobody', async () => {
      assert.equal(await meet(/does not offer STARTTLS/, { offer: 'AUTH=PLAIN' }), 'A1 CAPABILITY\r\n');
      await meet(/the server says A2 NO not now/, { answer: 'A2 NO not now\r\n' });
      // After PREAUTH there is no STARTTLS, so who is greeted so must not go on.
      assert.equal(await meet(/greets with/, { greeting: '* PREAUTH hello' }), '');
    });
  });
});
