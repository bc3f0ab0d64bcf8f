#include "apps/train/teacher.h"

#include <map>

#include "core/files.h"
#include "core/json.h"
#include "core/npy.h"
#include "core/ops.h"
#include "fusion/embedder.h"

namespace limn {

namespace fs = std::filesystem;

TeacherRows read_teacher_rows(const fs::path& npy, const char* key) {
  TeacherRows teacher{.keys = {}, .languages = {}, .rows = read_npy(npy)};
  const fs::path lines = fs::path(npy).replace_extension(".jsonl");
  each_line(read_file(lines), [&](std::string_view line, std::size_t number) {
    const Json of = Json::parse(line, lines.string() + ": line " + std::to_string(number));
    teacher.keys.push_back(of.at(key).text());
    teacher.languages.push_back(of.has("language") ? of.at("language").text() : "");
  });
  if (teacher.rows.dim() != 2 || teacher.rows.size(0) != static_cast<std::int64_t>(teacher.keys.size()))
    throw InputError(npy.string() + ": has not one row for each of the " + std::to_string(teacher.keys.size()) +
                     " lines of " + lines.string());
  if (teacher.keys.empty()) throw InputError(npy.string() + ": is empty");
  teacher.rows = normalised(teacher.rows);
  return teacher;
}

Tensor rows_of_records(const TeacherRows& pictures, std::vector<CaptionRecord>& records) {
  std::map<fs::path, std::int64_t> known;
  for (std::size_t i = 0; i < records.size(); ++i)
    known.emplace(fs::weakly_canonical(records[i].image), static_cast<std::int64_t>(i));
  std::vector<std::int64_t> places;
  for (const std::string& path : pictures.keys) {
    const auto [found, is_new] = known.emplace(fs::weakly_canonical(path), static_cast<std::int64_t>(records.size()));
    if (is_new) records.push_back({.image = path, .captions = {}, .id = path});
    places.push_back(found->second);
  }
  const Tensor rows = at::zeros({static_cast<std::int64_t>(records.size()), pictures.rows.size(1)});
  return rows.index_copy(0, at::tensor(places), pictures.rows);
}

Tensor known_rows(const Tensor& rows) { return rows.any(1).nonzero().squeeze(1); }

Tensor with_guessed_rows(const Tensor& rows, const Tensor& features, std::int64_t photos) {
  constexpr double kRidge = 1;  // of the pictures' number
  const Tensor known = known_rows(rows);
  if (known.numel() < 2) return rows;
  const Tensor x = features.index_select(0, known), wanted = rows.index_select(0, known);
  const Tensor centre = x.mean(0), spread = x.std(0) + 1e-3, mean = wanted.mean(0);
  const Tensor scaled = (x - centre) / spread;
  const Tensor weight = kRidge * static_cast<double>(x.size(0)) * at::eye(x.size(1));
  const Tensor map =
      at::linalg_solve(at::matmul(scaled.t(), scaled) + weight, at::matmul(scaled.t(), wanted - mean));  // [F E]
  const Tensor guessed = normalised(at::matmul((features.narrow(0, 0, photos) - centre) / spread, map) + mean);
  Tensor all = rows.clone();
  all.narrow(0, 0, photos).copy_(guessed);
  return all.index_copy(0, known, wanted);
}

}  // namespace limn
