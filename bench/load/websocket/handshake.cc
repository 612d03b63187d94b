/** Request, answer, and the checks of it. See handshake.h. */
#include "handshake.h"

#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <string>

#include "accept_key.h"

namespace miniproto::load {

namespace {

constexpr size_t kMostResponseBytes = 16 * 1024;
constexpr time_t kPatienceSeconds = 10;
constexpr char kNoTakeover[] = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";

[[noreturn]] void fail(size_t index, const std::string& what) {
  throw Failure("connection " + std::to_string(index) + ": handshake: " + what);
}

std::string randomKey() {
  static std::mt19937_64 random(std::random_device{}());
  std::string bytes;
  for (size_t i = 0; i < 16; i++) bytes += static_cast<char>(random());
  return base64(bytes);
}

std::string requestFor(const Options& options, const std::string& key) {
  std::string request = "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options.port) +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: " +
                        key + "\r\n";
  if (options.deflate != Deflate::kNone) {
    request += "Sec-WebSocket-Extensions: ";
    request += options.deflate == Deflate::kAlone ? kNoTakeover : "permessage-deflate";
    request += "\r\n";
  }
  return request + "\r\n";
}

std::string responseOn(Wire& wire, size_t index) {
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(wire.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string response;
  char part[4096];
  for (size_t end; (end = response.find("\r\n\r\n")) != response.size() - 4 || response.size() < 4;) {
    if (end != std::string::npos) fail(index, "the server speaks before it was asked anything");
    const ssize_t got = wire.receive(part, sizeof part);
    if (got <= 0) fail(index, "the server ended it, or never answers");
    response.append(part, static_cast<size_t>(got));
    if (response.size() > kMostResponseBytes) fail(index, "the answer has no end");
  }
  return response;
}

/** @param name in small letters @returns the value of a header, or nothing */
std::string headerOf(const std::string& response, const std::string& name) {
  std::string lower = response;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  size_t from = lower.find("\r\n" + name + ":");
  if (from == std::string::npos) return "";
  from = lower.find_first_not_of(" \t", from + name.size() + 3);
  return response.substr(from, response.find("\r\n", from) - from);
}

/**
 * What is agreed on has to be what the load was made for. Over how much of a window the server compresses is its own
 * affair, and shows in how many bytes an echo has.
 */
void checkExtensions(const std::string& agreed, Deflate wanted, size_t index) {
  const bool deflates = agreed.find("permessage-deflate") != std::string::npos;
  const bool forgets = agreed.find("server_no_context_takeover") != std::string::npos;
  const bool clientForgets = agreed.find("client_no_context_takeover") != std::string::npos;
  if (deflates != (wanted != Deflate::kNone) || agreed.find("client_max_window_bits") != std::string::npos ||
      (wanted == Deflate::kAlone && !forgets) || (wanted == Deflate::kTakeover && (forgets || clientForgets))) {
    fail(index, "the server agrees to '" + agreed + "', which is not what was wanted");
  }
}

}  // namespace

void upgradeToWebSocket(Wire& wire, const Options& options, size_t index) {
  const std::string key = randomKey();
  const std::string request = requestFor(options, key);
  if (wire.send(request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
    fail(index, "the request was not taken");
  }
  const std::string response = responseOn(wire, index);
  if (response.compare(0, 12, "HTTP/1.1 101") != 0) fail(index, response.substr(0, response.find("\r\n")));
  if (headerOf(response, "sec-websocket-accept") != acceptKey(key)) fail(index, "the answered key is wrong");
  checkExtensions(headerOf(response, "sec-websocket-extensions"), options.deflate, index);
}

}  // namespace miniproto::load
