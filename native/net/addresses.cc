#include "net/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace miniproto {

RawAddress rawAddressOf(int descriptor, SocketEnd end) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  const int result = end == SocketEnd::kLocal ? ::getsockname(descriptor, generic, &length)
                                              : ::getpeername(descriptor, generic, &length);
  return result == 0 ? rawAddressOf(storage) : RawAddress();
}

RawAddress rawAddressOf(const sockaddr_storage& storage) {
  RawAddress raw;
  if (storage.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &storage, sizeof(four));
    std::memcpy(raw.bytes, &four.sin_addr, sizeof(four.sin_addr));
    raw.port = ntohs(four.sin_port);
    raw.version = 4;
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &storage, sizeof(six));
    std::memcpy(raw.bytes, &six.sin6_addr, sizeof(six.sin6_addr));
    raw.port = ntohs(six.sin6_port);
    raw.version = 6;
  }
  return raw;
}

bool addressOf(const RawAddress& raw, SocketAddress& address) {
  if (raw.version == 0) return false;
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(raw.version == 4 ? AF_INET : AF_INET6, raw.bytes, text, sizeof(text));
  address = SocketAddress{raw.version == 4 ? "IPv4" : "IPv6", text, raw.port};
  return true;
}

}  // namespace miniproto
