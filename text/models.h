#pragma once

#include <array>
#include <functional>

#include "text/tokenizer_impl.h"

namespace limn {

/// What turns one piece of a normalised, split text into ids, which it appends.
using TokenModel = std::function<void(std::string_view piece, Ids& ids)>;

/// The ids of the 256 pieces <0x00> to <0xFF>, as `find` gives them.
std::array<std::int64_t, 256> byte_piece_ids(const std::function<std::int64_t(const std::string& piece)>& find);

}  // namespace limn
