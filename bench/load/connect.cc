/** TCP and Unix sockets. See connect.h. */
#include "connect.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "websocket/handshake.h"

namespace miniproto::load {

namespace {

[[noreturn]] void fail(size_t index, const std::string& what) {
  throw Failure("connection " + std::to_string(index) + ": " + what);
}

[[noreturn]] void failWithErrno(size_t index, const char* call) {
  fail(index, std::string(call) + ": " + std::strerror(errno));
}

void connectTcp(int fd, int port, size_t index) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) failWithErrno(index, "connect");
  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) failWithErrno(index, "TCP_NODELAY");
}

void connectUnix(int fd, const std::string& path, size_t index) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(index, "the path of the socket is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) failWithErrno(index, "connect");
}

}  // namespace

std::unique_ptr<Wire> connectTo(const Options& options, size_t index) {
  const bool local = !options.unixPath.empty();
  const int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) failWithErrno(index, "socket");
  try {
    local ? connectUnix(fd, options.unixPath, index) : connectTcp(fd, options.port, index);
  } catch (const Failure&) {
    close(fd);
    throw;
  }
  auto wire = std::make_unique<Wire>(fd, options, index);
  if (options.protocol == Protocol::kWebSocket) upgradeToWebSocket(*wire, options, index);
  wire->stopBlocking();
  return wire;
}

}  // namespace miniproto::load
