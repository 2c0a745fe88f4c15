// The values that cross Aeon's API: what a palace stores, what it is asked, what it answers.
// Plain data, no behaviour that could fail. Times are nanoseconds since 1970 UTC.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/blob.hpp"

namespace aeon {

// A memory's name for ever: never changed, never reused, at least 1.
using MemoryId = std::uint64_t;
// Commits are numbered densely from 1 in the order they took effect; 0 is the empty palace.
using CommitNumber = std::uint64_t;
using TimeNs = std::int64_t;

inline constexpr TimeNs kBeginningOfTime = std::numeric_limits<TimeNs>::min();
inline constexpr TimeNs kEndOfTime = std::numeric_limits<TimeNs>::max();

// How long what has ended stays readable, unless a palace says otherwise: 30 days.
inline constexpr TimeNs kDefaultHistory = TimeNs{30} * 24 * 3600 * 1'000'000'000;

inline constexpr std::uint32_t kMaxDimension = 4096;
inline constexpr std::size_t kMaxNameBytes = 255;  // spaces, tenants, sessions, kinds, types
inline constexpr std::size_t kMaxKeyBytes = 1024;  // unique keys
inline constexpr std::size_t kMaxInlineBytes = 256 << 10;  // text or bytes carried by the log
inline constexpr std::uint64_t kMaxPayloadBytes = storage::kMaxBlobBytes;  // stored ahead: 1 GiB
inline constexpr std::size_t kMaxMetadataBytes = 64 << 10;
inline constexpr std::size_t kMaxBatchOperations = 4096;
inline constexpr std::size_t kMaxBatchBytes = 8 << 20;  // of one encoded commit
inline constexpr std::uint32_t kMaxK = 1000;
inline constexpr std::size_t kMaxQueryBytes = 256 << 10;  // of a query's text
inline constexpr std::size_t kMaxMentions = 1024;  // names and triples that a memory gives, each

// Concepts: memories that stand for a name. Each has this kind, the name as its text, and as its
// key the prefix and the name's words (docs/graph_recall.md). Words and vectors do not find them.
inline constexpr std::string_view kConceptKind = "concept";
inline constexpr std::string_view kConceptKeyPrefix = "concept:";

// The embedder that is built in: hashed words and character n-grams. It matches words, not
// meanings. Its name is the model id of the spaces it fills.
inline constexpr std::string_view kDefaultKind = "fact";
inline constexpr std::string_view kLexicalModel = "aeon-lexical-1";
inline constexpr std::uint32_t kLexicalDimension = 384;

// How near two vectors are. Scores grow with nearness:
//   cosine: the cosine, in [-1, 1];  dot: the inner product;  l2: minus the squared distance.
enum class Metric : std::uint8_t { cosine = 1, dot = 2, l2 = 3 };

// What is kept beside the INT8 row to rescore the best candidates with.
enum class Precision : std::uint8_t { int8 = 1, float16 = 2, float32 = 3 };

// What an acknowledgement means.
//   none:    handed to this process; lost if it dies before the next group is written
//   process: written to the operating system: survives the death of every process
//   sync:    on the device: survives power loss
enum class Durability : std::uint8_t { none = 1, process = 2, sync = 3 };

struct SpaceSpec {
  std::string name{};
  std::uint32_t dimension = 0;  // 1..kMaxDimension
  Metric metric = Metric::cosine;
  Precision precision = Precision::float16;
  std::string model{};  // who makes its vectors; a vector that names another is refused
};

// One vector for one space. `model` must equal the space's.
struct NewVector {
  std::string space{};
  std::vector<float> values{};
  std::string model{};
};

// How the content of a memory is to be read.
enum class ContentType : std::uint8_t { text = 1, bytes = 2 };

// When a memory with a key may be stored.
enum class PutMode : std::uint8_t {
  upsert = 1,      // a new memory, or a new version of the one that has the key
  if_absent = 2,   // only when no visible memory has the key, else key_exists
  if_version = 3,  // only when the memory's version is `expected_version`, else version_conflict
};

// A payload that Palace::store_payload() has put on the device, for a commit to name. Only that
// call fills it in; a palace takes none but its own.
struct StoredPayload {
  ContentType content_type = ContentType::bytes;
  std::uint64_t bytes = 0;
  std::string head{};        // its first bytes, for the preview and the built-in embedder
  storage::BlobRef place{};  // where it lies
};

// What a text says of two names. Both are concepts that it mentions, and an edge of the type
// `relation` leads from one to the other.
struct Triple {
  std::string subject{};
  std::string relation{};
  std::string object{};
};

// What to remember. Empty strings mean "none".
struct NewMemory {
  std::string tenant{};   // empty: the default tenant
  std::string session{};  // events of a session are linked `next` in the order of their commits
  std::string kind{kDefaultKind};
  std::string key{};  // unique among the visible memories of its tenant
  PutMode mode = PutMode::upsert;
  CommitNumber expected_version = 0;
  ContentType content_type = ContentType::text;
  std::string content{};  // at most kMaxInlineBytes
  // Content of any size, stored before; `content` is empty then and the content type its own.
  std::optional<StoredPayload> payload{};
  std::string metadata{};                // a JSON object, or empty
  std::vector<NewVector> vectors{};      // at most one a space
  std::optional<TimeNs> event_time{};    // when it happened; default: the commit's time
  TimeNs valid_from = kBeginningOfTime;  // when it is true: [valid_from, valid_to)
  TimeNs valid_to = kEndOfTime;
  // When it ends by itself: reads at or after that time (of the machine's clock) do not find it,
  // and the palace forgets it soon after. A new version, made before it was forgotten, has its own.
  TimeNs expires = kEndOfTime;
  float importance = 0.5F;  // 0..1
  MemoryId wanted_id = 0;  // import only: an id that was never used and is above all others; 0: any
  // Import only: a new version also mentions what the one before it did.
  bool keep_mentions = false;
  // Whose stems its words have: "english" (also when empty), "german", ...; "none" keeps words as
  // they are. docs/words.md lists them.
  std::string language{};
  // Embed text with the built-in embedder into the space made for it, unless a vector is given.
  bool embed = true;
  // Names of concepts that it mentions: a `mentions` edge leads to each, and a concept that is not
  // there yet is made, in the same commit. A new version mentions what it says and nothing else; a
  // concept that nothing mentions any more ends with the last memory that did.
  std::vector<std::string> mentions{};
  std::vector<Triple> triples{};
  bool find_mentions = false;  // as well those in the text, by capitals, and the title in metadata
};

// A memory named before its id is known: either an id, or the n-th remember of the same batch.
struct MemoryRef {
  MemoryId id = 0;
  std::uint32_t batch_index = 0;  // meaningful when id is 0
  static MemoryRef of(MemoryId id) { return {id, 0}; }
};

// Typed, weighted, directed. The pair (from, type, to) is one edge: linking again replaces weight
// and validity. Names in use: next, refers_to, caused_by, derived_from, supersedes, mentions,
// summarises, member; any other is fine.
struct NewEdge {
  MemoryRef from;
  MemoryRef to;
  std::string type{};
  float weight = 1.0F;
  TimeNs valid_from = kBeginningOfTime;
  TimeNs valid_to = kEndOfTime;
};

struct CreateTenant {
  std::string name{};
};
struct Supersede {
  MemoryId id = 0;
  NewMemory next;                     // the tenant and key stay those of the memory
  CommitNumber expected_version = 0;  // 0: whatever it is
};
struct Forget {
  MemoryId id = 0;
  CommitNumber expected_version = 0;  // 0: whatever it is
};
struct Erase {
  MemoryId id = 0;
};
struct SetHistory {
  TimeNs keep = 0;
};
struct Unlink {
  MemoryRef from;
  MemoryRef to;
  std::string type{};
};

// The operations of one commit: they appear whole or not at all, in this order.
class Batch {
 public:
  using Operation = std::variant<SpaceSpec, CreateTenant, NewMemory, Supersede, Forget, NewEdge,
                                 Unlink, Erase, SetHistory>;

  void create_space(SpaceSpec spec) { operations_.emplace_back(std::move(spec)); }
  // Creating a tenant that exists changes nothing.
  void create_tenant(std::string name) { operations_.emplace_back(CreateTenant{std::move(name)}); }
  // Returns a reference that link() of the same batch may use.
  MemoryRef remember(NewMemory memory) {
    operations_.emplace_back(std::move(memory));
    return {0, remembered_++};
  }
  void supersede(MemoryId id, NewMemory next, CommitNumber expected_version = 0) {
    operations_.emplace_back(Supersede{id, std::move(next), expected_version});
  }
  // Ends a memory: it is not found any more, but by reads as of an earlier commit, as far as the
  // history policy keeps it. On a session's line its neighbours become each other's.
  void forget(MemoryId id, CommitNumber expected_version = 0) {
    operations_.emplace_back(Forget{id, expected_version});
  }
  // Ends a memory, visible or forgotten, and destroys it: no read finds it from this commit on, not
  // even one as of an earlier commit once the palace has let go of its bytes; Palace::purge() says
  // when that is. Its id and its times stay, and so do the names of tenants, sessions, kinds and
  // edge types: they are not content.
  void erase(MemoryId id) { operations_.emplace_back(Erase{id}); }
  // How long versions that were superseded or forgotten stay readable by Palace::snapshot_at(): a
  // duration in nanoseconds, 0 (until the next merge), or kEndOfTime (for ever). Without it
  // kDefaultHistory. Holds for the whole palace, what ended before included.
  void set_history(TimeNs keep) { operations_.emplace_back(SetHistory{keep}); }
  void link(NewEdge edge) { operations_.emplace_back(std::move(edge)); }
  void unlink(MemoryRef from, MemoryRef to, std::string type) {
    operations_.emplace_back(Unlink{from, to, std::move(type)});
  }
  void clear() {
    operations_.clear();
    remembered_ = 0;
  }
  [[nodiscard]] bool empty() const noexcept { return operations_.empty(); }
  [[nodiscard]] std::span<const Operation> operations() const noexcept { return operations_; }
  [[nodiscard]] std::span<Operation> operations() noexcept { return operations_; }

 private:
  std::vector<Operation> operations_{};
  std::uint32_t remembered_ = 0;
};

// A commit that took effect.
struct Ack {
  CommitNumber commit = 0;
  Durability level = Durability::process;  // the level it was acknowledged at
  TimeNs time = 0;
  std::vector<MemoryId> ids{};  // one for each remember() of the batch, in order
};

// How scores of channels become one.
enum class Fusion : std::uint8_t {
  weighted = 1,         // scores on a scale from 0 to 1, weighted and summed
  reciprocal_rank = 2,  // weight / (rank_constant + rank), summed
};

// Who nominates what a recall by text answers with, and how much each says. A weight of 0 leaves a
// channel out. docs/words.md says what each does; take a preset, change what you like.
struct Preset {
  std::string_view name{};
  float k1 = 0.9F;    // BM25: how soon a word that is repeated stops counting
  float b = 0;        // BM25: how much long texts are held down, 0 to 1
  float words = 1;    // the text's words
  float vector = 1;   // the vector, where the query has one
  float session = 0;  // the session, taken as one text
  float recency = 0;  // of what others nominate: halves with each half_life
  TimeNs half_life = TimeNs{7} * 24 * 3600 * 1'000'000'000;
  float graph = 0;  // the power of what a walk over concepts brings, see docs/graph_recall.md
  // What an event gains of the scores of the events before and after it in its session.
  float before = 0;
  float after = 0;
  float second_before = 0;
  float second_after = 0;
  Fusion fusion = Fusion::weighted;
  float rank_constant = 60;
  std::uint32_t candidates = 400;  // that a channel nominates, if k is not more; up to kMaxK
};

inline constexpr Preset kWordsPreset{.name = "words"};
inline constexpr Preset kDialoguePreset{.name = "dialogue",
                                        .session = 0.4F,
                                        .before = 0.4F,
                                        .after = 0.2F,
                                        .second_before = 0.3F,
                                        .second_after = 0.2F};
inline constexpr Preset kPassagesPreset{.name = "passages", .b = 0.4F, .graph = 0.5F};
inline constexpr Preset kCodePreset{.name = "code", .k1 = 1.2F, .b = 0.5F};

enum class Channel : std::uint8_t { words, vector, session, neighbours, recency, graph };
inline constexpr std::size_t kChannels = 6;

// What a channel said of a hit.
struct ChannelMark {
  std::uint32_t rank = 0;  // from 1; 0: the channel did not bring it
  float score = 0;         // on the channel's own scale
};

// How the hits are chosen among the best that a recall finds; docs/shaping.md has the rules. All of
// it is off by default, and costs nothing then.
struct Shape {
  // How much a hit is to differ from those chosen before it, from 0, not at all, to 1, where
  // nothing else counts: 1 - lambda of maximal marginal relevance.
  float diversity = 0;
  std::uint32_t per_session = 0;   // at most so many of one session; 0: any number
  std::uint64_t token_budget = 0;  // that all hits' contents fit in together; 0: none
  [[nodiscard]] bool any() const noexcept {
    return diversity != 0 || per_session != 0 || token_budget != 0;
  }
};

// What a content counts against Shape::token_budget: a token for every four bytes begun.
[[nodiscard]] constexpr std::uint64_t tokens_of(std::uint64_t bytes) noexcept {
  return (bytes + 3) / 4;
}

// The target of a query that names none.
inline constexpr float kTargetRecall = 0.98F;

// The target recall that an effort stands for: each ninth of effort halves the share that may be
// missed, from 1/2 at effort 0 (0.895 at 0.25, 0.978 at 0.5, 0.995 at 0.75); 1 compares every row.
[[nodiscard]] inline float recall_of_effort(float effort) noexcept {
  return effort >= 1 ? 1.0F : 1.0F - std::exp2(-1.0F - 9.0F * effort);
}

// What to recall. Views must live during the call only.
struct Query {
  std::string_view tenant{};  // empty: the default tenant
  std::string_view space{};   // empty: the space of the built-in embedder, else the first
  std::span<const float> vector{};
  std::string_view model{};  // who made `vector`; must equal the space's
  // Without a vector: searched by words (docs/words.md), or, where `space` names the built-in
  // embedder's, by the vector that it makes of the text.
  std::string_view text{};
  std::string_view language{};  // of `text`, see NewMemory
  // Of a recall by text, or by text and vector. A vector alone is searched as it is.
  Preset preset = kDialoguePreset;
  bool explain = false;  // fill Answer::marks
  std::uint32_t k = 10;  // 1..kMaxK
  // How hard to try: by one of the two, or kTargetRecall. A target is the share of the true k
  // nearest that is wanted, on average over queries like the stored rows, within (0, 1]. 1 compares
  // every row and is exact; so is any search of few rows. An effort within [0, 1] is another scale
  // for the same: see recall_of_effort().
  std::optional<float> target_recall{};
  std::optional<float> effort{};
  std::string_view session{};       // only this session
  std::string_view kind{};          // only this kind
  TimeNs since = kBeginningOfTime;  // only events in [since, until)
  TimeNs until = kEndOfTime;
  std::string_view filter{};  // JSON filter over metadata, see docs/filters.md
  // Whether the lookaside buffer takes part (docs/lookaside.md): the answer may then come from an
  // earlier one, as good as a search's, or be found with its help. It has no part in a recall by
  // words, with a filter or a time window, or in recall_batch().
  bool lookaside = true;
  // Whose train of thought the query belongs to, any text. The buffer remembers the queries of each
  // conversation apart; no answer depends on it.
  std::string_view conversation{};
  Shape shape{};
  bool confidence = false;  // fill Answer::confidence
};

// What the lookaside buffer did for an answer.
enum class LookasideHelp : std::uint8_t {
  none = 0,       // it was not asked
  missed = 1,     // it knew nothing near
  seeded = 2,     // the search set out from what a near query found
  certified = 3,  // no search: what is remembered is certain to be what an exact one would find
};

struct Hit {
  MemoryId id = 0;
  CommitNumber version = 0;  // the commit that wrote the version that matched
  float score = 0;           // larger is better: see Metric; by text: docs/words.md
};

// Caller-owned and reusable: a warm Answer makes recall allocate nothing.
// How vectors were searched.
enum class SearchPlan : std::uint8_t {
  none,     // no vector took part
  scan,     // all rows
  matches,  // all rows that the query's restrictions leave
  routes,   // clusters of rows by falling promise
  graph,    // a walk over links
};

[[nodiscard]] std::string_view name_of(SearchPlan plan) noexcept;

struct Answer {
  std::vector<Hit> hits{};  // best first; ties by id, by words the older version first
  CommitNumber commit = 0;  // the instant that the answer belongs to
  bool partial = false;     // a damaged place was left out
  bool exact = false;       // every row that may match was compared, or the buffer certifies it
  SearchPlan plan = SearchPlan::none;
  LookasideHelp lookaside = LookasideHelp::none;
  std::uint64_t rows_scanned = 0;
  // With a plan of `matches`, or of a walk among them: how many rows the restrictions leave, some
  // of which may have ended, or be refused by their metadata. Else 0.
  std::uint64_t rows_left = 0;
  std::uint64_t postings_scanned = 0;  // of words
  std::uint64_t edges_walked = 0;      // of the graph
  // What the contents of the hits count against the query's token budget; 0 without one.
  std::uint64_t tokens = 0;
  // Where it was asked for: how far the palace seems to hold an answer at all, from 0 to 1
  // (docs/confidence.md). Nothing where there is nothing to judge by.
  std::optional<float> confidence{};
  // For each hit what each Channel said of it, where that was asked for.
  std::vector<std::array<ChannelMark, kChannels>> marks{};
};

// One version of one memory, as get() returns it. The strings are copies: reuse the object to
// reuse their memory.
struct Memory {
  MemoryId id = 0;
  CommitNumber version = 0;
  std::string tenant{};
  std::string session{};
  std::string kind{};
  std::string key{};
  ContentType content_type = ContentType::text;
  std::string content{};
  std::string metadata{};
  std::string language{};  // of its words; empty when it has none
  TimeNs event_time = 0;
  TimeNs commit_time = 0;
  TimeNs valid_from = kBeginningOfTime;
  TimeNs valid_to = kEndOfTime;
  TimeNs expires = kEndOfTime;
  float importance = 0.5F;
  // Present when asked for: what the space keeps of each vector, at its stored precision.
  struct Vector {
    std::string space{};
    std::string model{};
    std::vector<float> values{};
  };
  std::vector<Vector> vectors{};
};

enum class Direction : std::uint8_t { out = 1, in = 2 };

struct Edge {
  MemoryId from = 0;
  MemoryId to = 0;
  std::string type{};
  float weight = 1.0F;
  TimeNs valid_from = kBeginningOfTime;
  TimeNs valid_to = kEndOfTime;
  CommitNumber version = 0;
};

// An event on a session's line.
struct Event {
  MemoryId id = 0;
  TimeNs time = 0;
};

// The lookaside buffer of one opening, since then (docs/lookaside.md).
struct LookasideStats {
  std::uint64_t bytes = 0;       // that it may use; 0: it is off
  std::uint64_t bytes_used = 0;  // that some conversation's searches lie in
  std::uint64_t missed = 0;      // queries, by what it did for them
  std::uint64_t seeded = 0;
  std::uint64_t certified = 0;
  // An estimate: rows compared by the remembered searches, less those compared with their help.
  std::uint64_t rows_saved = 0;
  std::uint64_t remembered = 0;  // searches
  std::uint64_t made_exact = 0;  // of them, in the background
};

// A damaged place.
struct Damage {
  std::string file{};
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::string what{};  // one sentence
};

// Settled files read again from the device (Palace::scrub()), by this opening.
struct ScrubStats {
  std::uint64_t bytes = 0;       // read so far
  std::uint64_t passes = 0;      // that came to their end
  TimeNs last_end = 0;           // of the last pass of any opening; 0: not known
  std::uint64_t damaged = 0;     // pages that do not match their sums or can't be read
  std::vector<Damage> damage{};  // the first 1,000 of them
};

struct Stats {
  CommitNumber written = 0;    // newest commit that survives the death of every process
  CommitNumber durable = 0;    // newest commit known to survive power loss
  CommitNumber settled = 0;    // newest commit that lives in segments
  std::uint64_t memories = 0;  // visible
  std::uint64_t versions = 0;  // ever written
  std::uint64_t edges = 0;     // linked and not unlinked, those of forgotten memories included
  TimeNs history = kDefaultHistory;    // how long what has ended stays readable
  CommitNumber oldest_readable = 0;    // reads as of an earlier commit are too old
  std::uint64_t ended_versions = 0;    // still stored: superseded, forgotten or erased
  std::uint64_t erasures_pending = 0;  // erased, but some file may still hold their bytes
  std::uint64_t segments = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t blob_files = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t log_files = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t tail_bytes = 0;            // RAM held by tails
  std::uint64_t snapshots = 0;             // held by this opening
  std::uint64_t retired_objects = 0;       // waiting until no reader can see them
  std::uint64_t oldest_reader_epochs = 0;  // how far the oldest reader lags behind; 0: none
  std::uint64_t damaged_pages = 0;         // met so far
  std::uint64_t recovery_bytes_cut = 0;    // of a torn tail, at open
  bool cleanly_closed = false;             // the log ended in a closing frame at open
  bool read_only = false;
  std::string read_only_reason{};
  std::string simd{};  // the kernels in use
  LookasideStats lookaside{};
  ScrubStats scrub{};
  struct Space {
    SpaceSpec spec;
    std::uint64_t rows = 0;  // ever written
  };
  std::vector<Space> spaces{};
};

// What verify() found.
struct VerifyReport {
  std::vector<Damage> damage{};  // empty: every checksum and invariant holds
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t commits = 0;
  std::uint64_t memories = 0;
};

}  // namespace aeon
