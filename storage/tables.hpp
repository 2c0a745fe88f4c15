// The tables of the one sorted key space. A key is [table][parts][~commit]; see run_set.hpp for
// the commit suffix. Persisted: never reuse a number; 0 is invalid.
#pragma once

#include <cstdint>
#include <string>

#include "storage/codec.hpp"

namespace aeon::storage {

enum class Table : std::uint8_t {
  versions = 1,      // id -> version record
  keys = 2,          // tenant, unique key -> id, or empty when released
  names = 3,         // class, parent, name -> number
  names_by_id = 4,   // class, number -> parent, name
  spaces = 5,        // space -> specification
  events = 6,        // tenant, session, event time, id -> live flag
  session_ends = 7,  // tenant, session -> newest event
  edges_out = 8,     // from, type, to -> edge record
  edges_in = 9,      // to, type, from -> edge record
  expiry = 11,       // expiry time, id -> live flag
  terms = 13,        // tenant, term, first document -> postings
  settings = 14,     // setting -> value
  payloads = 15,     // blob file of a payload stored ahead -> the id that has it
  word_counts = 16,  // tenant -> visible documents and their words
  // Held for what the design names and later formats fill:
  // 10 content hash -> id, 12 tags -> id.
};

inline KeyEncoder begin_key(std::string& out, Table table) {
  out.clear();
  KeyEncoder encoder(out);
  encoder.u8(static_cast<std::uint8_t>(table));
  return encoder;
}

}  // namespace aeon::storage
