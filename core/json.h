#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace limn {

/// A JSON value that knows where it stands, so that every complaint names file and key.
/// Reading: navigate with [] and at(), convert with text(), integer(), number(), boolean(); a wrong type throws
/// InputError "config.json: vision_config.hidden_size: got "wide", expected an integer".
/// Writing: build with object(), array(), set(), push(), then dump(). Copies are cheap handles on shared data.
/// Member order is kept.
class Json {
 public:
  Json();  ///< null
  Json(std::nullptr_t);
  Json(bool value);
  Json(int value);
  Json(std::int64_t value);
  Json(double value);
  Json(const char* value);
  Json(std::string value);
  static Json object(std::initializer_list<std::pair<const char*, Json>> members = {});
  static Json array(const std::vector<Json>& items = {});
  template <typename T>
  static Json list(const std::vector<T>& values) {
    Json result = array();
    for (const auto& value : values) result.push(Json(value));
    return result;
  }

  /// @param where  named in messages, e.g. the file's name
  /// @throws InputError with line and column on malformed text or invalid UTF-8; nesting is bounded at 200
  static Json parse(std::string_view text, const std::string& where);
  /// @throws InputError when the file is missing, unreadable or malformed
  static Json read(const std::filesystem::path& file);

  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  bool is_text() const;
  bool is_boolean() const;
  bool is_integer() const;
  bool is_number() const;  ///< integers included
  explicit operator bool() const { return !is_null(); }

  std::size_t size() const;                     ///< members or items; 0 for other kinds
  Json operator[](std::string_view key) const;  ///< null where absent or not an object
  Json operator[](std::size_t index) const;     ///< null where absent or not an array
  Json at(std::string_view key) const;          ///< @throws InputError where absent
  bool has(std::string_view key) const;
  std::vector<Json> items() const;                            ///< @throws InputError unless an array
  std::vector<std::pair<std::string, Json>> members() const;  ///< @throws InputError unless an object

  std::string text() const;
  std::int64_t integer() const;  ///< 3.0 is accepted as 3
  double number() const;
  bool boolean() const;
  std::string text(std::string_view otherwise) const;  ///< `otherwise` where null; a wrong type still throws
  std::int64_t integer(std::int64_t otherwise) const;
  double number(double otherwise) const;
  bool boolean(bool otherwise) const;
  std::vector<std::string> texts() const;  ///< an array of strings
  std::vector<std::int64_t> integers() const;
  std::vector<double> numbers() const;

  Json& set(std::string_view key, const Json& value);
  Json& push(const Json& value);
  std::string dump(int indent = -1) const;  ///< one line unless `indent` >= 0; invalid UTF-8 becomes U+FFFD
  const std::string& where() const;         ///< "config.json: vision_config.hidden_size"
  [[noreturn]] void fail(const std::string& what) const;  ///< InputError "<where>: <what>"

 private:
  struct Node;
  std::shared_ptr<Node> node_;
};

/// Reads a model's configuration and collects every fault before complaining.
///   ConfigReader read(config["vision_config"]);
///   c.dim = read.integer("hidden_size", 768);
///   read.finish();   // CheckpointError naming file, key, value and what was expected, all of them at once
class ConfigReader {
 public:
  explicit ConfigReader(Json object);
  std::int64_t integer(std::string_view key);                          ///< required, positive
  std::int64_t integer(std::string_view key, std::int64_t otherwise);  ///< absent or null: `otherwise`
  double number(std::string_view key, double otherwise);
  bool boolean(std::string_view key, bool otherwise);
  std::string text(std::string_view key, std::string_view otherwise);
  /// A closed choice: the value's index in `names`.
  std::size_t choice(std::string_view key, const std::vector<std::string>& names, std::string_view otherwise);
  /// Another fault, e.g. two keys that contradict each other.
  void fault(std::string_view key, const std::string& what);
  ConfigReader inside(std::string_view key);  ///< a sub-object sharing this reader's fault list
  Json json() const { return object_; }
  void finish() const;

 private:
  ConfigReader(Json object, std::shared_ptr<std::vector<std::string>> faults);
  Json object_;
  std::shared_ptr<std::vector<std::string>> faults_;
};

}  // namespace limn
