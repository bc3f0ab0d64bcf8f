#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace limn {

/// What a pickle says, as an inert tree: nothing in it is ever called or imported. A call stays a node that names the
/// function and holds its arguments; whoever reads the tree decides what, if anything, it stands for.
/// Nodes live in one array and refer to each other by index, so shared and even cyclic structures neither leak nor
/// recurse when they go.
struct PickleNode {
  enum class Kind {
    none,
    boolean,  ///< integer is 0 or 1
    integer,
    big,  ///< an integer beyond 64 bits; text holds its little-endian two's complement
    real,
    text,        ///< text
    bytes,       ///< text
    list,        ///< items
    tuple,       ///< items
    dict,        ///< items: key, value, key, value, ... (an OrderedDict is one of these)
    global,      ///< text: "module.name"
    call,        ///< text: what is called; items[0]: the tuple of its arguments
    persistent,  ///< items[0]: a reference to something outside the pickle
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text = {};  ///< into the pickle's bytes, or into Pickle::names
  std::vector<std::uint32_t> items = {};
};

struct Pickle {
  std::vector<PickleNode> nodes;
  std::uint32_t root = 0;
  std::size_t length = 0;                         ///< bytes up to and including STOP
  std::set<std::string, std::less<>> names = {};  ///< "module.name" of each admitted global
  const PickleNode& operator[](std::uint32_t index) const { return nodes[index]; }
};

/// Reads one pickle of protocol 2 to 5 (the opcodes that plain data and calls of admitted functions need) from the
/// beginning of `bytes`, which must outlive the result.
/// @param where  begins every message, e.g. the file's name
/// @param admit  which globals ("module.name") may occur; the first other one is refused by name, even where it would
///               never be used. `collections.OrderedDict`, when admitted, becomes a dict.
/// @throws CheckpointError naming the byte, the opcode and the fault
Pickle read_pickle(std::string_view bytes, const std::string& where, bool (*admit)(std::string_view name));

}  // namespace limn
