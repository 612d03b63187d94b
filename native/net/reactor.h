/**
 * The reactor: readiness for many sockets, receiving and framing in one turn, without a thread and without a loop.
 *
 * It owns an epoll descriptor; whoever has the loop (the binding, a test) watches that one descriptor and calls `turn`
 * when it is readable. A turn visits each ready connection once: where records are wanted it receives into the shared
 * arena and frames what came, else it only says that the connection is ready. What it found stands in an event table;
 * the caller hands that to JavaScript in one call, and asks again while `turn` says that there is more.
 *
 *   interest of a connection   what readiness means
 *   none                       nobody reads: the connection is taken out of epoll when it is noticed, not before
 *   kWantRead                  told once (kReadable); whoever was told reads, and asks again
 *   kWantWrite                 told once (kWritable)
 *   kWantFlow                  received into the arena, framed, told each time until the interest is taken back
 *
 * Edge-triggered: with levels epoll looks twice at each socket that it tells of. So it is asked again (`watch`)
 * wherever what it told of may still be there and somebody wants it: then nothing that is left unread is forgotten. A
 * connection that nobody asks about is never left in epoll with an empty mask: resets would wake the loop for nobody.
 *
 * A connection may have a filter (io/filter.h): then what is received is opened before it is framed, what is sent is
 * sealed, and what the filter says by itself, a handshake for example, leaves without anybody being told. That half of
 * the reactor is in filtered_socket.cc.
 *
 * It knows no JavaScript. The arena and the tables are the caller's; their addresses are given with each turn.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "framing/framer.h"
#include "net/addresses.h"
#include "net/filtered_socket.h"
#include "net/slots.h"
#include "net/system_calls.h"

namespace miniproto {

/** Bits of an id that are its slot; above them is the generation. */
constexpr uint32_t kSlotBits = 20;
constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;

/** Interests, and what epoll watches; bits. */
enum Want : uint8_t { kWantRead = 1, kWantWrite = 2, kWantFlow = 4 };

/** What an event says; bits of kEventFlags. */
enum EventFlag : int32_t {
  kReadable = 1,
  kWritable = 2,
  /** Bytes [kEventStart, kEventEnd) of the arena came; kEventRows rows of them are in the table. */
  kArrived = 4,
  kPeerEnded = 8,
  /** kEventError holds a negative errno. */
  kConnectionFailed = 16,
  /** The receive was full: there is probably more. */
  kMoreComes = 32,
  /** The filter's state has got further: kEventState. */
  kFilterChanged = 64,
};

enum EventWord : size_t {
  kEventId = 0,
  kEventFlags = 1,
  kEventStart = 2,
  kEventEnd = 3,
  /** Index of the frame table's header in the table words; a multiple of kRowWords. */
  kEventTable = 4,
  kEventRows = 5,
  kEventError = 6,
  /** With a filter: its state, in every event, kOutgoing and kSendFailed. */
  kEventState = 7,
};
constexpr size_t kEventWords = 8;

/** Beside the bits of FilterState: something waits to leave; and the system has refused it for good, see `send`. */
constexpr uint32_t kOutgoing = 0x100;
constexpr uint32_t kSendFailed = 0x200;

/** Memory of one turn. All of it is the caller's and must stay where it is during the call. */
struct TurnMemory {
  uint8_t* arena;
  size_t arenaSize;
  int32_t* table;
  size_t tableWords;
  int32_t* events;
  size_t eventWords;
};

/** Counted since the reactor or the connection began. */
struct SocketCounters {
  uint64_t bytesReceived = 0;
  uint64_t bytesSent = 0;
  uint64_t receives = 0;
  uint64_t sends = 0;
  /** Sends that the kernel took less of than was given. */
  uint64_t stalls = 0;
  /** Rows framed in turns. */
  uint64_t rows = 0;
  /** Turns that told of something: of this connection, or at all. */
  uint64_t turns = 0;
  /** Calls that whoever has the reactor noted. */
  uint64_t calls = 0;
};

struct ReactorCounters : SocketCounters {
  uint64_t polls = 0;
  uint64_t arms = 0;
  uint64_t connections = 0;
};

class Reactor {
 public:
  Reactor() = default;
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  /** Makes the epoll descriptor. @returns 0 or a negative errno. */
  int open();
  int descriptor() const { return epoll_; }

  /** Duplicates the descriptor and keeps the copy. @returns the connection's id, >= 0, or a negative errno. */
  int32_t add(int descriptor);
  /**
   * Duplicates the descriptor of a listening socket and keeps the copy, which is no connection but has an id as one:
   * kReadable tells that `accept` may find somebody. Nobody lives for it.
   * @param noDelay for what is accepted; the listening socket itself has it set. @returns the id, or a negative errno.
   */
  int32_t addListener(int descriptor, bool noDelay);
  /** Takes the next connection of a listening socket. Pre: has(id). @returns the new one's id, or a negative errno. */
  int32_t accept(int32_t id);
  /** True for an id of a connection that is here. */
  bool has(int32_t id) const { return find(id) != nullptr; }
  /** Closes the connection. Its id means nothing any more. Pre: has(id). */
  void remove(int32_t id);
  /** Lets go of the connection without closing it. Pre: has(id). @returns its descriptor, now the caller's. */
  int detach(int32_t id);
  /** The connection's descriptor, still the reactor's. Pre: has(id). */
  int descriptorOf(int32_t id) const { return find(id)->descriptor; }
  /** Where the other end is, as it was when the connection was added. Pre: has(id). */
  const RawAddress& peerOf(int32_t id) const { return find(id)->peer; }

  /** Sets the interests. Pre: has(id). @returns 0 or a negative errno, and then nothing is watched. */
  int want(int32_t id, uint8_t wants);
  /** The framer of kWantFlow; null: bytes are not framed. It must outlive its use. Pre: has(id). */
  void setFramer(int32_t id, const Framer* framer) { find(id)->framer = framer; }
  /**
   * From now on the filter stands between the socket and whoever reads and writes it; null takes it away. What waits in
   * it leaves at once where it can, what waits in one that is taken away is lost.
   * Pre: has(id). @returns 0 or a negative errno.
   */
  int setFilter(int32_t id, std::shared_ptr<Filter> filter);
  /** The filter's state, kOutgoing and kSendFailed included; 0 without one. Pre: has(id). */
  uint32_t filterState(int32_t id) const;
  /** Closes all connections that have a filter, and lets go of the filters. */
  void removeFiltered();
  /** Whether the connection counts in `waiting`. Pre: has(id). */
  void setReferenced(int32_t id, bool referenced);
  /** Referenced connections that somebody waits for: while there are any, the loop has to live. */
  size_t waiting() const { return waiting_; }

  /**
   * With a filter: opened bytes, as many as there are now and have room; 0 also where the peer ended without the
   * filter's saying so; -EPROTO once the filter has failed; peeking is -EOPNOTSUPP. Pre: has(id). @returns bytes, 0 at
   * the peer's end, or a negative errno.
   */
  int64_t receive(int32_t id, uint8_t* bytes, size_t size, bool peek);
  /**
   * With a filter: 0 before it is secured, -EAGAIN while what was sealed before has not left, -EPROTO once it has
   * failed, -EPIPE after `shutdown`. Pre: has(id). @returns bytes or a negative errno.
   */
  int64_t send(int32_t id, const iovec* parts, size_t count);
  /**
   * Ends our side: with a filter, when what it had to say has left.
   * @param closes it is removed when that is done: where nobody else has the descriptor, closing ends our side as well.
   * Pre: has(id). @returns 0 or a negative errno.
   */
  int shutdown(int32_t id, bool closes);

  /**
   * One round: fills the event table until it, the arena or the frame table is full, or nobody is ready.
   * @returns events written. `hasMore` tells whether ready connections are left.
   */
  size_t turn(const TurnMemory& memory);
  /** To be called when what a turn told of has been dealt with: what filters kept for an answer's sake leaves. */
  void endTurn();
  bool hasMore() const { return nextReady_ < ready_.size(); }
  /** To be called before the loop goes on: while there is more, the descriptor is readable. */
  void rest();

  SystemCalls& system() { return system_; }
  const ReactorCounters& counters() const { return counters_; }
  /** Pre: has(id). */
  const SocketCounters& countersOf(int32_t id) const { return find(id)->counters; }
  /** Counts a call of whoever has the reactor. */
  void noteCall() { counters_.calls++; }
  /** Counts it for the connection that it is about, too. Pre: has(id). */
  void noteCallOf(int32_t id) { find(id)->counters.calls++; }

 private:
  struct Connection {
    int descriptor = -1;
    /** Told apart from those that had the slot before. */
    uint16_t generation = 0;
    uint8_t wants = 0;
    /** kWantRead and kWantWrite as epoll has them. */
    uint8_t armed = 0;
    /** Of these, what epoll has told of and may still be so: it does not say it again unless it is asked. */
    uint8_t heard = 0;
    bool inEpoll = false;
    /** A receive that gives less than it was asked for says nothing about the next one: see `note`. */
    bool receivesInParts = false;
    bool referenced = true;
    /** It is a listening socket. */
    bool listens = false;
    /** kWantWrite while something of the filter's waits to leave. */
    uint8_t inner = 0;
    /** Bytes asked for at once: grows where large records fill it, so that bulk takes few calls. */
    uint32_t receiveSize = 0;
    RawAddress peer;
    /** Accepted here: no other descriptor is of the same socket. */
    bool sole = false;
    const Framer* framer = nullptr;
    std::unique_ptr<FilteredSocket> filtered;
    SocketCounters counters;
  };

  struct Ready {
    int32_t id;
    uint32_t events;
  };

  /** What is left of a turn's memory. */
  struct Room;

  bool isFull() const;
  int32_t place(int descriptor, const RawAddress& peer);
  const Connection* find(int32_t id) const;
  Connection* find(int32_t id) { return const_cast<Connection*>(static_cast<const Reactor*>(this)->find(id)); }
  int arm(int32_t id, Connection& connection, uint8_t mask);
  int watch(int32_t id, Connection& connection);
  static void note(Connection& connection, uint32_t events);
  int64_t receiveRaw(Connection& connection, uint8_t* bytes, size_t size, bool peek);
  int64_t sendRaw(Connection& connection, const iovec* parts, size_t count, SendEnd end = SendEnd::kMayFollow);
  void setWants(Connection& connection, uint8_t wants) { setWants(connection, wants, connection.inner); }
  void setWants(Connection& connection, uint8_t wants, uint8_t inner);
  void poll();
  void visit(const Ready& ready, Room& room);
  static void tell(Connection& connection, Room& room);
  void flow(Connection& connection, Room& room, int32_t* event);
  void stopped(Connection& connection, int64_t count, int32_t* event);
  void arrived(Connection& connection, Room& room, int32_t* event, size_t count, bool full);
  void forget(int32_t id);
  static uint8_t maskOf(const Connection& connection);
  static bool isWaiting(const Connection& connection) {
    return connection.referenced && (connection.wants | connection.inner) != 0;
  }

  int openWakes();
  void visitFiltered(Connection& connection, const Ready& ready, Room& room);
  void flowFiltered(Connection& connection, Room& room, int32_t* event, bool receives);
  int64_t receiveFiltered(int32_t id, Connection& connection, uint8_t* bytes, size_t size);
  int64_t sendFiltered(int32_t id, Connection& connection, const iovec* parts, size_t count);
  int shutdownFiltered(int32_t id, Connection& connection, bool byClosing);
  size_t openInto(FilteredSocket& socket, size_t received, uint8_t* out, size_t room);
  static bool mayDefer(const Connection& connection, size_t opened);
  void begin(int32_t id, Connection& connection);
  bool flush(int32_t id, Connection& connection);
  void sendOutgoing(int32_t id, Connection& connection);
  static uint32_t stateOf(const FilteredSocket& socket);
  void settle(int32_t id, Connection& connection);
  void nudge(int32_t id, Connection& connection);
  void tellState(Connection& connection, int32_t* event);
  void sayLast(int32_t id, Connection& connection);
  void wake(int32_t id, FilteredSocket& socket);
  void addDue();
  void ring() const;
  void drainWakes() const;

  int epoll_ = -1;
  size_t waiting_ = 0;
  bool inTurn_ = false;
  Slots<Connection> connections_;
  std::vector<uint32_t> free_;
  /** Slots that became free during a turn: their rows may still be on their way, so they wait for its end. */
  std::vector<uint32_t> freed_;
  std::vector<Ready> ready_;
  size_t nextReady_ = 0;
  /** What filters open is received here first. Made for the first filter. */
  std::unique_ptr<uint8_t[]> scratch_;
  /** An event descriptor in epoll, for what epoll knows nothing of. */
  int wakes_ = -1;
  /** Connections that get a turn whether epoll says so or not. */
  std::vector<int32_t> due_;
  /** Connections with something that waits for the end of the turn; some have sent it meanwhile. */
  std::vector<int32_t> deferred_;
  SystemCalls system_;
  ReactorCounters counters_;
};

}  // namespace miniproto
