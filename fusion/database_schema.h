#pragma once

#include "fusion/database.h"
#include "fusion/index_file.h"

namespace limn {

/// pgvector's name for vectors of a type. @throws InputError for int8
std::string vector_type(VectorType type);

/// pgvector's version: 0.8.5 is 8; 0 where it is not installed in the database.
int vector_version(const Database& database);

/// What the index of the connection's schema is.
/// @throws InputError where there is none, one that a newer version made, or tables of another width than it says
IndexHead read_index_head(const Database& database);

/// How many cells pictures are divided into; 0: none.
std::int64_t cells_of(const Database& database);

/// What goes wrong while something is written.
template <typename Step>
auto writing(const Step& step) {
  try {
    return step();
  } catch (const InputError& error) {
    throw WriteError(error.what());
  }
}

}  // namespace limn
