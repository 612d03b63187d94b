#include "net/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace miniproto {

bool addressOf(int descriptor, SocketEnd end, SocketAddress& address) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  const int result = end == SocketEnd::kLocal ? ::getsockname(descriptor, generic, &length)
                                              : ::getpeername(descriptor, generic, &length);
  if (result != 0) return false;
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &storage, sizeof(four));
    ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text));
    address = SocketAddress{"IPv4", text, ntohs(four.sin_port)};
    return true;
  }
  if (storage.ss_family != AF_INET6) return false;
  sockaddr_in6 six{};
  std::memcpy(&six, &storage, sizeof(six));
  ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text));
  address = SocketAddress{"IPv6", text, ntohs(six.sin6_port)};
  return true;
}

}  // namespace miniproto
