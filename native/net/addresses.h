/**
 * Where the two ends of a socket are. Asked of the system once, when the connection begins: of one that was reset, or
 * that both sides have ended, it does not know the peer any more. Kept small, since idle connections are many.
 */
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace miniproto {

/** One end, as the system has it. */
struct RawAddress {
  uint8_t bytes[16] = {};
  uint16_t port = 0;
  /** 4, 6, or 0 for none: a Unix socket has no address here. */
  uint8_t version = 0;
};

/** One end, as people read it. */
struct SocketAddress {
  /** "IPv4" or "IPv6". */
  const char* family = "";
  std::string address;
  int port = 0;
};

enum class SocketEnd { kLocal, kRemote };

/** @returns version 0 when the system does not know, or it is no address of TCP. */
RawAddress rawAddressOf(int descriptor, SocketEnd end);

/** The same of what the system has said. */
RawAddress rawAddressOf(const sockaddr_storage& storage);

/** @returns false for version 0. */
bool addressOf(const RawAddress& raw, SocketAddress& address);

}  // namespace miniproto
