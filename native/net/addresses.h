/** Where the two ends of a socket are: asked of the system when somebody wants to know, kept nowhere. */
#pragma once

#include <string>

namespace miniproto {

/** One end. A Unix socket has no address here, and port 0. */
struct SocketAddress {
  /** "IPv4", "IPv6", or empty. */
  const char* family = "";
  std::string address;
  int port = 0;
};

enum class SocketEnd { kLocal, kRemote };

/** @returns false when the system does not know, or it is no address of TCP. */
bool addressOf(int descriptor, SocketEnd end, SocketAddress& address);

}  // namespace miniproto
