#include "engine/run_settler.hpp"

#include <deque>

#include "engine/view.hpp"
#include "storage/blob_dictionary.hpp"
#include "storage/merged_cursor.hpp"
#include "storage/tables.hpp"

namespace aeon::engine {

namespace {

// Samples for a blob file's dictionary: enough to learn from, small beside what they stand for.
constexpr std::size_t kSampleBytes = 1 << 20;

bool is_version(std::string_view key) {
  return !key.empty() && key[0] == static_cast<char>(storage::Table::versions);
}

}  // namespace

Status RunSettler::copy(const storage::RunSet& runs, storage::RunBuilder& builder,
                        WordSettler& words) {
  AEON_TRY(open_blobs(runs));
  storage::MergedCursor cursor(runs);
  for (cursor.seek_first(); cursor.valid(); cursor.next()) {
    std::string_view value = cursor.value();
    if (is_term_key(cursor.key())) {
      AEON_TRY(words.take(cursor.key(), value, builder));
      continue;
    }
    if (!stays(cursor.key(), value)) continue;
    AEON_TRY(words.pass(cursor.key(), builder));
    if (is_version(cursor.key())) AEON_TRY(move_content(value));
    AEON_TRY(builder.add(cursor.key(), value));
  }
  AEON_TRY(cursor.status());
  return words.pass({}, builder);
}

Result<std::optional<storage::BlobFileInfo>> RunSettler::finish() {
  if (blobs_ == nullptr) return std::nullopt;
  storage::BlobFileInfo info;
  AEON_ASSIGN(info.file, blobs_->finish());
  info.generation = generation_;
  info.live_bytes = info.file.bytes;
  return info;
}

bool RunSettler::stays(std::string_view key, std::string_view value) const {
  return sources_.reclaim == nullptr || sources_.reclaim->keeps(key, value);
}

bool RunSettler::moves(const VersionRecord& record) const {
  if (!record.blob) return record.content.size() > kInlineContentBytes;
  return sources_.reclaim != nullptr && sources_.reclaim->evacuates(record.blob->file);
}

Result<std::string_view> RunSettler::moving_content(const VersionRecord& record) {
  if (!record.blob) return record.content;
  const auto file = sources_.blobs.find(record.blob->file);
  if (file == sources_.blobs.end()) {
    return fail(Errc::damaged,
                "merging: a version names a blob file that is not there; run aeon "
                "verify");
  }
  AEON_TRY(file->second->reader->read(*record.blob, content_));
  return std::string_view(content_);
}

// On return `value` is the record to store: the same, or one that refers to the new blob file.
Status RunSettler::move_content(std::string_view& value) {
  if (!decode_version(value, record_)) {
    return fail(Errc::damaged, "settling: a version record does not decode; run aeon verify");
  }
  if (!moves(record_)) return {};
  AEON_ASSIGN(const std::string_view content, moving_content(record_));
  AEON_ASSIGN(const storage::BlobRef moved,
              blobs_->append(storage::as_bytes(content), storage::Compression::automatic));
  if (!record_.blob) record_.content = preview_of(record_.content, record_.content_type);
  record_.blob = moved;
  encoded_.clear();
  encode_version(encoded_, record_);
  value = encoded_;
  return {};
}

// Opens the file if anything moves. Short texts compress poorly one by one; a dictionary learnt
// from some of them helps all.
Status RunSettler::open_blobs(const storage::RunSet& runs) {
  std::deque<std::string> read;  // what samples had to be read for
  std::vector<std::string_view> samples;
  std::size_t bytes = 0;
  std::uint64_t expected = 0;
  bool any = false;
  VersionRecord record;
  storage::MergedCursor cursor(runs);
  for (cursor.seek_first(); cursor.valid() && is_version(cursor.key()); cursor.next()) {
    if (!stays(cursor.key(), cursor.value())) continue;
    if (!decode_version(cursor.value(), record) || !moves(record)) continue;
    any = true;
    expected += record.blob ? record.blob->raw_bytes : record.content.size();
    if (bytes >= kSampleBytes) continue;
    AEON_ASSIGN(const std::string_view content, moving_content(record));
    samples.push_back(record.blob ? std::string_view(read.emplace_back(content)) : content);
    bytes += content.size();
  }
  AEON_TRY(cursor.status());
  if (sources_.reclaim != nullptr) sources_.reclaim->rewind();
  if (!any) return {};
  const auto dictionary = storage::train_dictionary(samples, expected);
  storage::BlobOptions options;
  options.first_commit = sources_.first_commit;
  options.last_commit = sources_.last_commit;
  options.generation = generation_ =
      sources_.reclaim == nullptr ? 0 : sources_.reclaim->generation();
  if (dictionary) options.dictionary = *dictionary;
  AEON_ASSIGN(blobs_, storage::BlobWriter::create(os_, directory_, palace_, blob_number_, options));
  return {};
}

}  // namespace aeon::engine
