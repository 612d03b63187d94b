/**
 * What the server by hand was asked to be, from the words of its command line.
 *
 *     miniproto_peer [--port N] [--protocol ws|line|len32] [--tls --cert FILE --key FILE]
 */
#ifndef MINIPROTO_LOAD_PEER_SETTINGS_H
#define MINIPROTO_LOAD_PEER_SETTINGS_H

#include <string>

namespace miniproto::load {

struct Settings {
  /** 0: a free one. */
  int port = 0;
  std::string protocol = "ws";
  bool tls = false;
  /** Paths of PEM files. */
  std::string cert;
  std::string key;
};

/** @throws std::runtime_error for a word that is not known, or lacks what goes with it */
Settings parseSettings(int count, char** words);

}  // namespace miniproto::load

#endif
