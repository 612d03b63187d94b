/**
 * What the load generator was asked to do, from the words of its command line.
 *
 *     miniproto_load (--port N | --unix PATH) [--protocol line|len32|varint|ws] [--bytes B] [--connections C]
 *                    [--in-flight N] [--seconds S] [--warmup S] [--server-pid P [--with-children]]
 *                    [--idle N | --churn N [--held N] | --flood | --publish N] [--tls 1.2|1.3 [--resume]]
 *
 * With `--protocol ws` also [--text] [--fragment B] [--corpus PATH [--deflate alone|takeover]]: text messages instead
 * of binary ones; fragments of so many bytes; the documents of a corpus instead of numbered payloads, deflated.
 */
#ifndef MINIPROTO_LOAD_OPTIONS_H
#define MINIPROTO_LOAD_OPTIONS_H

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

namespace miniproto::load {

/** How a message stands on the wire: payload and LF, or its length (4 bytes big-endian, or a varint) and
 * payload, or a WebSocket's frames. */
enum class Protocol { kLine, kLen32, kVarint, kWebSocket };

enum class Mode { kEcho, kIdle, kChurn, kFlood, kPublish };

/** What is agreed on with a WebSocket server: nothing, no context takeover, or takeover on both sides. */
enum class Deflate { kNone, kAlone, kTakeover };

/** What the connections speak below the protocol. */
enum class TlsVersion { kNone, k12, k13 };

class Corpus;

/** Anything that makes a run worthless: bad options, a lost connection, a wrong echo. Its text is printed. */
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Options {
  Mode mode = Mode::kEcho;
  Protocol protocol = Protocol::kLen32;
  int port = 0;
  /** Path of a Unix socket; empty: TCP to 127.0.0.1. */
  std::string unixPath;
  /** Of a payload; 1 or more, so that there is something to number. */
  size_t bytes = 64;
  size_t connections = 1;
  /** Messages on their way, on each connection. */
  size_t inFlight = 1;
  double seconds = 3;
  double warmupSeconds = 1;
  /** 0: nothing is known of the server's process. */
  int serverPid = 0;
  bool withChildren = false;
  TlsVersion tls = TlsVersion::kNone;
  /** Every handshake but the first resumes a session. */
  bool resume = false;
  bool text = false;
  /** 0: messages are not fragmented. */
  size_t fragmentBytes = 0;
  Deflate deflate = Deflate::kNone;
  std::shared_ptr<Corpus> corpus;
  /** Idle connections, connects of a churn, or subscribers. */
  size_t count = 0;
  /** Connections that stay open while others come and go. */
  size_t held = 0;
};

/** @throws Failure for a word that is not known, or a number that is none. */
Options parseOptions(int count, char** words);

const char* nameOf(Protocol protocol);

}  // namespace miniproto::load

#endif
