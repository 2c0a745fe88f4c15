#include "storage/blob_compressor.hpp"

#include <zstd.h>

namespace aeon::storage {

namespace {

constexpr std::size_t kKeptBuffer = std::size_t{1} << 20;  // a larger one is given back

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
};
struct FreeDictionary {
  void operator()(ZSTD_CDict* dictionary) const noexcept { ZSTD_freeCDict(dictionary); }
};

}  // namespace

struct BlobCompressor::State {
  std::unique_ptr<ZSTD_CCtx, FreeContext> context;
  std::unique_ptr<ZSTD_CDict, FreeDictionary> dictionary;
  std::vector<std::byte> buffer;
};

BlobCompressor::BlobCompressor(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlobCompressor::~BlobCompressor() = default;

Result<std::unique_ptr<BlobCompressor>> BlobCompressor::create(std::string_view dictionary) {
  auto state = std::make_unique<State>();
  state->context.reset(ZSTD_createCCtx());
  if (!state->context) return fail(Errc::no_memory, "zstd has no memory for a context");
  ZSTD_CCtx* context = state->context.get();
  // Sizes and sums stand in the record already; a short text feels each byte of them.
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0);
  ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);
  if (!dictionary.empty()) {
    state->dictionary.reset(ZSTD_createCDict(dictionary.data(), dictionary.size(), kLevel));
    if (!state->dictionary) {
      return fail(Errc::invalid_argument,
                  "zstd does not take the dictionary; pass one that train_dictionary made");
    }
  }
  return std::unique_ptr<BlobCompressor>(new BlobCompressor(std::move(state)));
}

BlobCompressor::Stored BlobCompressor::choose(std::span<const std::byte> payload) {
  const Stored raw{BlobEncoding::raw, payload};
  if (payload.size() < kLeastCompressed || payload.size() > kMostCompressed) return raw;
  State& s = *state_;
  const bool with_dictionary = s.dictionary && payload.size() <= kMostWithDictionary;
  ZSTD_CCtx_refCDict(s.context.get(), with_dictionary ? s.dictionary.get() : nullptr);
  const std::size_t bound = ZSTD_compressBound(payload.size());
  if (s.buffer.size() > kKeptBuffer && bound <= kKeptBuffer)
    std::vector<std::byte>().swap(s.buffer);
  if (s.buffer.size() < bound) s.buffer.resize(bound);
  const std::size_t size = ZSTD_compress2(s.context.get(), s.buffer.data(), s.buffer.size(),
                                          payload.data(), payload.size());
  if (ZSTD_isError(size) || size > payload.size() - payload.size() / 10) return raw;
  return {with_dictionary ? BlobEncoding::zstd_dictionary : BlobEncoding::zstd,
          {s.buffer.data(), size}};
}

}  // namespace aeon::storage
