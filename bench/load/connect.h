/** Connecting to what is loaded, or talked to. */
#ifndef MINIPROTO_LOAD_CONNECT_H
#define MINIPROTO_LOAD_CONNECT_H

#include <cstddef>
#include <memory>

#include "options.h"
#include "wire.h"

namespace miniproto::load {

/**
 * A socket that is connected and through its handshakes, TLS and the protocol's, where it begins with one; that is
 * waited for. It does not block from then on. @throws Failure
 */
std::unique_ptr<Wire> connectTo(const Options& options, size_t index);

}  // namespace miniproto::load

#endif
