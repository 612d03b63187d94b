/** The command line of the load generator: a table of words, and what each sets. See options.h. */
#include "options.h"

#include <cstdlib>
#include <functional>
#include <map>

#include "websocket/corpus.h"

namespace miniproto::load {

namespace {

using Setter = std::function<void(const std::string&)>;

double numberOf(const std::string& word) {
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != '\0' || !(value >= 0)) throw Failure("'" + word + "' is no number");
  return value;
}

Protocol protocolOf(const std::string& word) {
  for (const auto protocol : {Protocol::kLine, Protocol::kLen32, Protocol::kVarint, Protocol::kWebSocket}) {
    if (word == nameOf(protocol)) return protocol;
  }
  throw Failure("there is no protocol '" + word + "'; there are line, len32, varint, ws");
}

Deflate deflateOf(const std::string& word) {
  if (word == "alone") return Deflate::kAlone;
  if (word == "takeover") return Deflate::kTakeover;
  throw Failure("--deflate takes alone or takeover, and not '" + word + "'");
}

TlsVersion tlsVersionOf(const std::string& word) {
  if (word == "1.2") return TlsVersion::k12;
  if (word == "1.3") return TlsVersion::k13;
  throw Failure("--tls takes 1.2 or 1.3, and not '" + word + "'");
}

/** What goes with WebSockets alone. */
void checkWebSocket(const Options& options) {
  if (options.deflate != Deflate::kNone && !options.corpus) throw Failure("--deflate needs a --corpus");
  if (options.protocol == Protocol::kWebSocket) return;
  if (options.corpus || options.text || options.fragmentBytes > 0 || options.mode == Mode::kPublish) {
    throw Failure("--corpus, --text, --fragment and --publish are for --protocol ws");
  }
}

void check(const Options& options) {
  if (options.port == 0 && options.unixPath.empty()) throw Failure("--port or --unix is needed");
  if (options.bytes == 0) throw Failure("--bytes begins at 1");
  if (options.connections == 0 || options.inFlight == 0) throw Failure("--connections and --in-flight begin at 1");
  checkWebSocket(options);
  if (options.resume && options.tls == TlsVersion::kNone) throw Failure("--resume needs --tls");
  if (options.mode != Mode::kEcho && options.mode != Mode::kFlood && options.serverPid == 0) {
    throw Failure("--idle, --churn and --publish look at the server: --server-pid is needed");
  }
}

}  // namespace

const char* nameOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kLine:
      return "line";
    case Protocol::kLen32:
      return "len32";
    case Protocol::kVarint:
      return "varint";
    default:
      return "ws";
  }
}

Options parseOptions(int count, char** words) {
  Options options;
  const auto size = [](size_t& target) -> Setter {
    return [&target](const std::string& word) { target = static_cast<size_t>(numberOf(word)); };
  };
  const auto counted = [&options](Mode mode) -> Setter {
    return [&options, mode](const std::string& word) {
      options.mode = mode;
      options.count = static_cast<size_t>(numberOf(word));
    };
  };
  const std::map<std::string, Setter> valued = {
      {"--port", [&](const std::string& word) { options.port = static_cast<int>(numberOf(word)); }},
      {"--unix", [&](const std::string& word) { options.unixPath = word; }},
      {"--protocol", [&](const std::string& word) { options.protocol = protocolOf(word); }},
      {"--bytes", size(options.bytes)},
      {"--connections", size(options.connections)},
      {"--in-flight", size(options.inFlight)},
      {"--seconds", [&](const std::string& word) { options.seconds = numberOf(word); }},
      {"--warmup", [&](const std::string& word) { options.warmupSeconds = numberOf(word); }},
      {"--server-pid", [&](const std::string& word) { options.serverPid = static_cast<int>(numberOf(word)); }},
      {"--fragment", size(options.fragmentBytes)},
      {"--deflate", [&](const std::string& word) { options.deflate = deflateOf(word); }},
      {"--tls", [&](const std::string& word) { options.tls = tlsVersionOf(word); }},
      {"--corpus",
       [&](const std::string& word) {
         options.corpus = std::make_shared<Corpus>(word);
         options.bytes = options.corpus->bytes();
         options.text = true;
       }},
      {"--publish", counted(Mode::kPublish)},
      {"--idle", counted(Mode::kIdle)},
      {"--churn", counted(Mode::kChurn)},
      {"--held", size(options.held)},
  };
  for (int i = 1; i < count; i++) {
    const std::string word = words[i];
    if (word == "--with-children") {
      options.withChildren = true;
    } else if (word == "--resume") {
      options.resume = true;
    } else if (word == "--text") {
      options.text = true;
    } else if (word == "--flood") {
      options.mode = Mode::kFlood;
    } else if (const auto found = valued.find(word); found != valued.end() && i + 1 < count) {
      found->second(words[++i]);
    } else {
      throw Failure("'" + word + "' is not known, or lacks its value");
    }
  }
  check(options);
  return options;
}

}  // namespace miniproto::load
