/** The questions that the load generator answers, each with one line of JSON. */
#ifndef MINIPROTO_LOAD_MODES_H
#define MINIPROTO_LOAD_MODES_H

#include <string>

#include "options.h"

namespace miniproto::load {

/** How many echoes, in how much of the server's processor time, and how late? @throws Failure */
std::string runEcho(const Options& options);

/** How long do quiet connections wait beside one that floods? @throws Failure */
std::string runFlood(const Options& options);

/** What does the server hold for a connection on which nothing happens? @throws Failure */
std::string runIdle(const Options& options);

/** What does a message to many subscribers cost the server? @throws Failure */
std::string runPublish(const Options& options);

/** As many descriptors as the system allows. */
void raiseDescriptorLimit();

/** What is left in the server of connections that came and went? @throws Failure */
std::string runChurn(const Options& options);

}  // namespace miniproto::load

#endif
