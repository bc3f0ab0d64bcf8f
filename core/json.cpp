#include "core/json.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace limn {

using Value = nlohmann::ordered_json;

struct Json::Node {
  std::shared_ptr<Value> root;  // keeps `value` alive
  Value* value;
  std::string where;
};

namespace {

constexpr int kDeepest = 200;

std::string shortened(std::string text) {
  constexpr std::size_t longest = 60;
  if (text.size() > longest) text = text.substr(0, longest) + "…";
  return text;
}

std::string spelled(const Value& value) {
  return shortened(value.dump(-1, ' ', false, Value::error_handler_t::replace));
}

}  // namespace

Json::Json() : Json(nullptr) {}
Json::Json(std::nullptr_t) : node_(std::make_shared<Node>()) {
  node_->root = std::make_shared<Value>(nullptr);
  node_->value = node_->root.get();
}
Json::Json(bool value) : Json() { *node_->value = value; }
Json::Json(int value) : Json() { *node_->value = value; }
Json::Json(std::int64_t value) : Json() { *node_->value = value; }
Json::Json(double value) : Json() { *node_->value = value; }
Json::Json(const char* value) : Json() { *node_->value = value; }
Json::Json(std::string value) : Json() { *node_->value = std::move(value); }

Json Json::object(std::initializer_list<std::pair<const char*, Json>> members) {
  Json json;
  *json.node_->value = Value::object();
  for (const auto& [key, value] : members) json.set(key, value);
  return json;
}

Json Json::array(const std::vector<Json>& items) {
  Json json;
  *json.node_->value = Value::array();
  for (const Json& item : items) json.push(item);
  return json;
}

Json Json::parse(std::string_view text, const std::string& where) {
  Json json;
  json.node_->where = where;
  bool too_deep = false;
  try {
    const auto depth_guard = [&too_deep](int depth, Value::parse_event_t, Value&) {
      if (depth > kDeepest) too_deep = true;
      return !too_deep;
    };
    *json.node_->value = Value::parse(text.begin(), text.end(), depth_guard);
  } catch (const nlohmann::json::exception& error) {
    std::string message = error.what();
    if (const auto at = message.find("] "); at != std::string::npos) message = message.substr(at + 2);
    throw InputError(where + ": not valid JSON: " + shortened(message.size() > 200 ? message.substr(0, 200) : message));
  }
  if (too_deep) throw InputError(where + ": JSON nested deeper than " + std::to_string(kDeepest) + " levels");
  return json;
}

Json Json::read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw InputError(file.string() + ": cannot be opened; is the path right?");
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad() || std::filesystem::is_directory(file)) throw InputError(file.string() + ": cannot be read");
  return parse(text.str(), file.string());
}

bool Json::is_null() const { return node_->value->is_null(); }
bool Json::is_object() const { return node_->value->is_object(); }
bool Json::is_array() const { return node_->value->is_array(); }
bool Json::is_text() const { return node_->value->is_string(); }
bool Json::is_boolean() const { return node_->value->is_boolean(); }
bool Json::is_number() const { return node_->value->is_number(); }
bool Json::is_integer() const {
  if (node_->value->is_number_integer()) return true;
  if (!node_->value->is_number_float()) return false;
  const double number = node_->value->get<double>();
  return number == std::floor(number) && std::abs(number) < 9e15;
}

std::size_t Json::size() const {
  return node_->value->is_object() || node_->value->is_array() ? node_->value->size() : 0;
}

Json Json::operator[](std::string_view key) const {
  Json json;
  const char* joint = node_->where.find(": ") == std::string::npos ? ": " : ".";
  json.node_->where = node_->where + joint + std::string(key);
  if (node_->value->is_object()) {
    if (auto found = node_->value->find(std::string(key)); found != node_->value->end()) {
      json.node_->root = node_->root;
      json.node_->value = &*found;
    }
  }
  return json;
}

Json Json::operator[](std::size_t index) const {
  Json json;
  json.node_->where = node_->where + "[" + std::to_string(index) + "]";
  if (node_->value->is_array() && index < node_->value->size()) {
    json.node_->root = node_->root;
    json.node_->value = &(*node_->value)[index];
  }
  return json;
}

bool Json::has(std::string_view key) const {
  return node_->value->is_object() && node_->value->contains(std::string(key));
}

Json Json::at(std::string_view key) const {
  const Json found = (*this)[key];
  if (!has(key)) found.fail("is missing");
  return found;
}

std::vector<Json> Json::items() const {
  if (!is_array()) fail("got " + spelled(*node_->value) + ", expected a list");
  std::vector<Json> items;
  items.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) items.push_back((*this)[i]);
  return items;
}

std::vector<std::pair<std::string, Json>> Json::members() const {
  if (!is_object()) fail("got " + spelled(*node_->value) + ", expected an object");
  std::vector<std::pair<std::string, Json>> members;
  members.reserve(size());
  const std::string prefix = node_->where + (node_->where.find(": ") == std::string::npos ? ": " : ".");
  for (auto& [key, value] : node_->value->items()) {
    Json json;
    json.node_->root = node_->root;
    json.node_->value = &value;
    json.node_->where = prefix + key;
    members.emplace_back(key, json);
  }
  return members;
}

std::string Json::text() const {
  if (!is_text()) fail("got " + spelled(*node_->value) + ", expected a text");
  return node_->value->get<std::string>();
}

std::int64_t Json::integer() const {
  if (!is_integer()) fail("got " + spelled(*node_->value) + ", expected an integer");
  return node_->value->is_number_float() ? static_cast<std::int64_t>(node_->value->get<double>())
                                         : node_->value->get<std::int64_t>();
}

double Json::number() const {
  if (!is_number()) fail("got " + spelled(*node_->value) + ", expected a number");
  return node_->value->get<double>();
}

bool Json::boolean() const {
  if (!is_boolean()) fail("got " + spelled(*node_->value) + ", expected true or false");
  return node_->value->get<bool>();
}

std::string Json::text(std::string_view otherwise) const { return is_null() ? std::string(otherwise) : text(); }
std::int64_t Json::integer(std::int64_t otherwise) const { return is_null() ? otherwise : integer(); }
double Json::number(double otherwise) const { return is_null() ? otherwise : number(); }
bool Json::boolean(bool otherwise) const { return is_null() ? otherwise : boolean(); }

std::vector<std::string> Json::texts() const {
  std::vector<std::string> values;
  for (const Json& item : items()) values.push_back(item.text());
  return values;
}

std::vector<std::int64_t> Json::integers() const {
  std::vector<std::int64_t> values;
  for (const Json& item : items()) values.push_back(item.integer());
  return values;
}

std::vector<double> Json::numbers() const {
  std::vector<double> values;
  for (const Json& item : items()) values.push_back(item.number());
  return values;
}

Json& Json::set(std::string_view key, const Json& value) {
  (*node_->value)[std::string(key)] = *value.node_->value;
  return *this;
}

Json& Json::push(const Json& value) {
  node_->value->push_back(*value.node_->value);
  return *this;
}

std::string Json::dump(int indent) const {
  return node_->value->dump(indent, ' ', false, Value::error_handler_t::replace);
}

const std::string& Json::where() const { return node_->where; }

void Json::fail(const std::string& what) const {
  throw InputError(node_->where.empty() ? what : node_->where + ": " + what);
}

ConfigReader::ConfigReader(Json object)
    : ConfigReader(std::move(object), std::make_shared<std::vector<std::string>>()) {}

ConfigReader::ConfigReader(Json object, std::shared_ptr<std::vector<std::string>> faults)
    : object_(std::move(object)), faults_(std::move(faults)) {
  if (!object_.is_null() && !object_.is_object()) {
    faults_->push_back(object_.where() + ": got " + shortened(object_.dump()) + ", expected an object");
    object_ = Json::object();
  }
}

void ConfigReader::fault(std::string_view key, const std::string& what) {
  faults_->push_back(object_[key].where() + ": " + what);
}

std::int64_t ConfigReader::integer(std::string_view key) {
  const Json value = object_[key];
  if (value.is_null()) {
    fault(key, "is missing");
    return 1;
  }
  return integer(key, 1);
}

std::int64_t ConfigReader::integer(std::string_view key, std::int64_t otherwise) {
  const Json value = object_[key];
  if (value.is_null()) return otherwise;
  constexpr std::int64_t largest = std::int64_t{1} << 31;
  if (value.is_integer() && value.integer() >= 0 && value.integer() < largest) return value.integer();
  fault(key, "got " + shortened(value.dump()) + ", expected a non-negative integer");
  return otherwise;
}

double ConfigReader::number(std::string_view key, double otherwise) {
  const Json value = object_[key];
  if (value.is_null()) return otherwise;
  if (value.is_number()) return value.number();
  fault(key, "got " + shortened(value.dump()) + ", expected a number");
  return otherwise;
}

bool ConfigReader::boolean(std::string_view key, bool otherwise) {
  const Json value = object_[key];
  if (value.is_null()) return otherwise;
  if (value.is_boolean()) return value.boolean();
  fault(key, "got " + shortened(value.dump()) + ", expected true or false");
  return otherwise;
}

std::string ConfigReader::text(std::string_view key, std::string_view otherwise) {
  const Json value = object_[key];
  if (value.is_null()) return std::string(otherwise);
  if (value.is_text()) return value.text();
  fault(key, "got " + shortened(value.dump()) + ", expected a text");
  return std::string(otherwise);
}

std::size_t ConfigReader::choice(std::string_view key, const std::vector<std::string>& names,
                                 std::string_view otherwise) {
  const std::string name = text(key, otherwise);
  std::string valid;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return i;
    valid += (i ? ", " : "") + names[i];
  }
  fault(key, "got \"" + shortened(name) + "\", expected one of: " + valid);
  return 0;
}

ConfigReader ConfigReader::inside(std::string_view key) { return ConfigReader(object_[key], faults_); }

void ConfigReader::finish() const {
  if (faults_->empty()) return;
  std::string message =
      std::to_string(faults_->size()) + (faults_->size() == 1 ? " problem" : " problems") + " in the configuration:";
  for (const std::string& fault : *faults_) message += "\n  " + fault;
  throw CheckpointError(message);
}

}  // namespace limn
