#pragma once

#include "apps/train/data.h"
#include "core/tensor.h"

namespace limn {

/// What another dual encoder makes of texts and of pictures, as limn embed writes it: NAME.npy and, beside it,
/// NAME.jsonl.
struct TeacherRows {
  std::vector<std::string> keys;       ///< texts, or pictures' paths
  std::vector<std::string> languages;  ///< of texts, where the lines have "language"; else ""
  Tensor rows;                         // [n E], of length one
};

/// @param npy  its name; @param key  "text" or "path"
/// @throws InputError naming the file and what does not fit
TeacherRows read_teacher_rows(const std::filesystem::path& npy, const char* key);

/// The teacher's rows of pictures in the order of the records; zeros where it has not seen them.
/// Its pictures that are not among the records are appended to them, without captions.
Tensor rows_of_records(const TeacherRows& pictures, std::vector<CaptionRecord>& records);

/// Numbers of the rows that are not zero. [n E] -> int64 [m]
Tensor known_rows(const Tensor& rows);

/// What a teacher would make of photos that it has not seen: a ridge regression from the frozen stem's features, fitted
/// on the pictures that it has seen. Fills in the zero rows among the first `photos`.
/// @param rows  [records E]. @param features  [records F]. @return [records E]
Tensor with_guessed_rows(const Tensor& rows, const Tensor& features, std::int64_t photos);

}  // namespace limn
