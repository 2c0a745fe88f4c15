// Aeon's public C++ door. Include this, link aeon::aeon.
#pragma once

#include "engine/model.hpp"    // the values: batches, queries, answers
#include "engine/palace.hpp"   // Palace and Snapshot
#include "storage/result.hpp"  // Error, Errc, Result
