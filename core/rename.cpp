#include "core/rename.h"

#include <algorithm>

#include "core/ops.h"

namespace limn {

namespace {

// The file's name for ours, by the rows read backwards: "a or b" where a tensor has several names, "q + k + v" for a
// stacked one. `part` >= 0: of that part alone. Empty where no row gives such a name.
std::string foreign_name(std::span<const Rename> rows, const std::string& ours, int part = -1) {
  std::string names;
  for (int wanted = std::max(part, 0), last = wanted; wanted <= last; ++wanted) {
    std::string same;
    for (const Rename& row : rows) {
      if (row.part != wanted || *row.to == 0 || *row.from == '*') continue;
      std::string from = row.from;
      if (const std::size_t norm = from.find("{n}"); norm != from.npos) from.replace(norm, 3, "{p}");
      const auto name = apply({.from = row.to, .to = from.c_str()}, ours);
      if (!name) continue;
      if (part < 0) last = row.parts - 1;
      same += (same.empty() ? "" : " or ") + *name;
    }
    names += (names.empty() ? "" : " + ") + same;
  }
  return names;
}

struct Captured {
  std::vector<std::string> numbers;
  std::string parameter;
};

// Matches `pattern` against all of `name`. Patterns are short, so plain recursion-free scanning is enough.
bool match(std::string_view pattern, std::string_view name, Captured& captured) {
  if (!pattern.empty() && pattern.front() == '*') {
    const std::string_view rest = pattern.substr(1);
    return name.size() >= rest.size() && name.substr(name.size() - rest.size()) == rest;
  }
  while (!pattern.empty()) {
    if (pattern.substr(0, 2) == "{}") {
      std::size_t digits = 0;
      while (digits < name.size() && name[digits] >= '0' && name[digits] <= '9') ++digits;
      if (digits == 0) return false;
      captured.numbers.emplace_back(name.substr(0, digits));
      name.remove_prefix(digits);
      pattern.remove_prefix(2);
    } else if (pattern.substr(0, 3) == "{p}" || pattern.substr(0, 3) == "{n}") {
      const bool gain = name.starts_with("gamma"), offset = name.starts_with("beta");
      const bool older = pattern[1] == 'n' && (gain || offset);
      if (!older && !name.starts_with("weight") && !name.starts_with("bias")) return false;
      captured.parameter = gain || name.starts_with("weight") ? "weight" : "bias";
      name.remove_prefix(older ? (gain ? 5 : 4) : captured.parameter.size());
      pattern.remove_prefix(3);
    } else {
      if (name.empty() || name.front() != pattern.front()) return false;
      name.remove_prefix(1);
      pattern.remove_prefix(1);
    }
  }
  return name.empty();
}

std::string fill(std::string_view pattern, const Captured& captured) {
  std::string name;
  std::size_t number = 0;
  while (!pattern.empty()) {
    if (pattern.substr(0, 2) == "{}") {
      name += captured.numbers.at(number++);
      pattern.remove_prefix(2);
    } else if (pattern.substr(0, 3) == "{p}") {
      name += captured.parameter;
      pattern.remove_prefix(3);
    } else {
      name += pattern.front();
      pattern.remove_prefix(1);
    }
  }
  return name;
}

/// Which thirds of the rows a fix takes: the first and how many; none where it is no such fix.
std::optional<std::pair<int, int>> thirds(Fix fix) {
  switch (fix) {
    case Fix::first_third:
      return {{0, 1}};
    case Fix::last_two_thirds:
      return {{1, 2}};
    case Fix::first_two_thirds:
      return {{0, 2}};
    case Fix::last_third:
      return {{2, 1}};
    default:
      return std::nullopt;
  }
}

StoredTensor fixed(const StoredTensor& stored, Fix fix) {
  if (fix == Fix::none) return stored;
  StoredTensor result = stored;
  const std::int64_t rank = static_cast<std::int64_t>(stored.shape.size());
  if (fix == Fix::transpose && rank == 2) {
    std::swap(result.shape[0], result.shape[1]);
    result.load = [load = stored.load] { return load().t().contiguous(); };
  } else if (fix == Fix::unsqueeze0) {
    result.shape.insert(result.shape.begin(), 1);
    result.load = [load = stored.load] { return load().unsqueeze(0); };
  } else if (fix == Fix::token && rank == 1) {
    result.shape = {1, 1, stored.shape[0]};
    result.load = [load = stored.load] { return load().view({1, 1, -1}); };
  } else if (const auto slice = thirds(fix); slice && rank > 0 && stored.shape[0] % 3 == 0) {
    const std::int64_t third = stored.shape[0] / 3, begin = slice->first * third, size = slice->second * third;
    result.shape[0] = size;
    result.load = [load = stored.load, begin, size] { return load().narrow(0, begin, size); };
  } else if (fix == Fix::flatten0 && rank > 1 && stored.shape[0] == 1) {
    result.shape.erase(result.shape.begin());
    result.load = [load = stored.load] { return load().squeeze(0); };
  }
  return result;  // a rank that does not fit stays as it is, and the constructor reports the shape
}

// Parts of one stacked tensor -> that tensor; parts whose other dimensions differ are reported by their shape.
StoredTensor joined(const std::vector<StoredTensor>& parts) {
  StoredTensor result = parts.front();
  result.shape[0] = 0;
  for (const StoredTensor& part : parts) {
    result.shape[0] += part.shape[0];
    result.dtype = c10::promoteTypes(result.dtype, part.dtype);
  }
  result.load = [parts, dtype = result.dtype] {
    std::vector<Tensor> tensors;
    for (const StoredTensor& part : parts) tensors.push_back(part.load().to(dtype));
    return at::cat(tensors, 0);
  };
  return result;
}

bool joinable(const std::vector<StoredTensor>& parts) {
  return std::all_of(parts.begin(), parts.end(), [&](const StoredTensor& part) {
    const bool numbers = c10::isFloatingType(part.dtype) && c10::isFloatingType(parts.front().dtype);
    return !part.shape.empty() && (numbers || part.dtype == parts.front().dtype) &&
           std::equal(part.shape.begin() + 1, part.shape.end(), parts.front().shape.begin() + 1,
                      parts.front().shape.end());
  });
}

}  // namespace

std::optional<std::string> apply(const Rename& row, const std::string& name) {
  Captured captured;
  if (!match(row.from, name, captured)) return std::nullopt;
  return fill(row.to, captured);
}

Weights renamed(const TensorTable& foreign, std::span<const Rename> rows, const std::string& what,
                Placement placement) {
  TensorTable table;
  WeightsOptions options;
  options.placement = placement;
  options.what = what;
  options.foreign = [rows = std::vector<Rename>(rows.begin(), rows.end())](const std::string& ours) {
    return foreign_name(rows, ours);
  };
  std::map<std::string, std::map<int, std::string>> parts;  // our name -> part -> foreign name
  std::map<std::string, int> expected;
  const auto place = [&](const std::string& name, const StoredTensor& stored, const Rename& row,
                         const std::string& ours) {
    if (ours.empty()) return;
    if (row.parts > 1) {
      parts[ours][row.part] = name;
      expected[ours] = row.parts;
    } else if (!table.count(ours)) {
      table[ours] = fixed(stored, row.fix);
      options.stored_as[ours] = name;
    } else if (table[ours].shape != fixed(stored, row.fix).shape) {
      // Tied tensors may be stored under both names; the first one counts and the rest must agree in shape.
      options.faults.push_back("wrong shape " + name + " " + shape_text(stored.shape) + ", but " +
                               options.stored_as[ours] + " is " + shape_text(table[ours].shape));
    }
  };
  for (const auto& [name, stored] : foreign) {
    const Rename* matched = nullptr;
    std::string first;
    for (const Rename& row : rows) {
      const auto ours = apply(row, name);
      if (!ours) continue;
      if (matched && !(thirds(matched->fix) && thirds(row.fix)))
        options.faults.push_back("two meanings " + name + ": " + first + " and " + *ours);
      if (!matched) first = *ours;
      matched = &row;
      place(name, stored, row, *ours);
    }
    if (!matched) table[name] = stored;
  }
  for (const auto& [ours, names] : parts) {
    std::vector<StoredTensor> stored;
    std::string spelled, shapes;
    for (const auto& [part, name] : names) {
      stored.push_back(foreign.at(name));
      spelled += (spelled.empty() ? "" : " + ") + name;
      shapes += (shapes.empty() ? "" : ", ") + name + " " + c10::toString(stored.back().dtype) + " " +
                shape_text(stored.back().shape);
    }
    if (static_cast<int>(stored.size()) != expected[ours]) {
      for (int part = 0; part < expected[ours]; ++part)
        if (!names.contains(part))
          options.faults.push_back("missing     " + foreign_name(rows, ours, part) + " (part of " + ours + ")");
      options.explained.insert(ours);
    } else if (!joinable(stored)) {
      options.faults.push_back("wrong parts of " + ours + " do not fit together: " + shapes);
      options.explained.insert(ours);
    } else {
      table[ours] = joined(stored);
      options.stored_as[ours] = spelled;
    }
  }
  return Weights(std::move(table), std::move(options));
}

}  // namespace limn
