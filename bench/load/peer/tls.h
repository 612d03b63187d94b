/**
 * TLS for the server by hand: OpenSSL's defaults and tickets, TLS 1.2 and 1.3, hardly more system calls than without
 * it.
 *
 * OpenSSL reads from memory that one recv has filled, until it holds nothing whole, so nothing that has come waits
 * where epoll does not see it; and it writes into memory that leaves in one send, or in several when there is much of
 * it.
 */
#ifndef MINIPROTO_LOAD_PEER_TLS_H
#define MINIPROTO_LOAD_PEER_TLS_H

#include <functional>
#include <memory>
#include <string>

#include "transport.h"

namespace miniproto::load {

/** Takes a connected socket that does not block. */
using MakeTransport = std::function<std::unique_ptr<Transport>(int fd)>;

/**
 * @param cert path of a PEM file, as is `key`
 * @throws std::runtime_error when they cannot be used, and where OpenSSL is missing
 */
MakeTransport tlsTransports(const std::string& cert, const std::string& key);

}  // namespace miniproto::load

#endif
