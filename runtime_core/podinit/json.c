// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <ctype.h>
#include <string.h>

#define MAX_DEPTH 16
#define MAX_VALUES 65536
#define MAX_MEMBERS 64
#define MAX_FILE (4 << 20)

struct parser {
	const char *start;
	char *at, *end;
	struct json *values;
	size_t used, capacity;
	unsigned depth;
	struct failure *failure;
};

static int parse_value(struct parser *parser, struct json **out);

static int refuse(const struct parser *parser, const char *reason)
{
	return fail(parser->failure, "not valid JSON at byte %zu: %s", (size_t)(parser->at - parser->start), reason);
}

static void skip_space(struct parser *parser)
{
	while (parser->at < parser->end && memchr(" \t\r\n", *parser->at, 4))
		parser->at++;
}

static bool accept(struct parser *parser, char expected)
{
	skip_space(parser);
	if (parser->at == parser->end || *parser->at != expected)
		return false;
	parser->at++;
	return true;
}

// Length of the UTF-8 sequence at text (shortest form, no surrogates, at most U+10FFFF), or 0.
static size_t utf8_length(const char *text, size_t available)
{
	const unsigned char *byte = (const unsigned char *)text;
	size_t length = byte[0] < 0x80 ? 1 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
	if ((byte[0] >= 0x80 && byte[0] < 0xc2) || byte[0] > 0xf4 || length > available)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
	bool too_long = (byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xf0 && byte[1] < 0x90);
	bool outside = (byte[0] == 0xed && byte[1] >= 0xa0) || (byte[0] == 0xf4 && byte[1] >= 0x90);
	return too_long || outside ? 0 : length;
}

static char *utf8_put(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
		*out++ = (char)(0x80 | (code & 0x3f));
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	}
	return out;
}

static int parse_hex4(struct parser *parser, uint32_t *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++, parser->at++) {
		if (parser->at == parser->end || !isxdigit((unsigned char)*parser->at))
			return refuse(parser, "\\u needs four hexadecimal digits");
		char digit = *parser->at;
		*code = *code << 4 | (uint32_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return 0;
}

static int parse_unicode(struct parser *parser, uint32_t *code)
{
	uint32_t low;
	if (parse_hex4(parser, code) < 0)
		return -1;
	if (*code == 0)
		return refuse(parser, "NUL in a string");
	if (*code < 0xd800 || *code > 0xdfff)
		return 0;
	if (*code > 0xdbff || parser->end - parser->at < 2 || parser->at[0] != '\\' || parser->at[1] != 'u')
		return refuse(parser, "lone surrogate");
	parser->at += 2;
	if (parse_hex4(parser, &low) < 0)
		return -1;
	if (low < 0xdc00 || low > 0xdfff)
		return refuse(parser, "lone surrogate");
	*code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
	return 0;
}

static int parse_escape(struct parser *parser, char **out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	if (parser->at == parser->end)
		return refuse(parser, "unfinished string");
	char name = *parser->at++;
	const char *known = name ? strchr(names, name) : NULL;
	uint32_t code;
	if (known)
		*(*out)++ = values[known - names];
	else if (name != 'u')
		return refuse(parser, "unknown escape");
	else if (parse_unicode(parser, &code) < 0)
		return -1;
	else
		*out = utf8_put(*out, code);
	return 0;
}

// After the opening quote. What is written never overtakes what is read: every escape is longer than its bytes.
static int parse_string(struct parser *parser, const char **string)
{
	char *out = parser->at;
	*string = out;
	while (parser->at < parser->end && *parser->at != '"') {
		if (*parser->at == '\\') {
			parser->at++;
			if (parse_escape(parser, &out) < 0)
				return -1;
			continue;
		}
		size_t length = utf8_length(parser->at, (size_t)(parser->end - parser->at));
		if (length == 0 || (unsigned char)*parser->at < 0x20)
			return refuse(parser, "control character or invalid UTF-8 in a string");
		while (length-- > 0) // mostly onto itself, for which memmove(3) is slow
			*out++ = *parser->at++;
	}
	if (parser->at == parser->end)
		return refuse(parser, "unfinished string");
	parser->at++;
	*out = '\0';
	return 0;
}

static int parse_number(struct parser *parser, struct json *value)
{
	value->type = JSON_NUMBER;
	value->negative = *parser->at == '-';
	parser->at += value->negative;
	const char *first = parser->at;
	for (; parser->at < parser->end && isdigit((unsigned char)*parser->at); parser->at++) {
		unsigned digit = (unsigned)(*parser->at - '0');
		if (value->magnitude > (UINT64_MAX - digit) / 10)
			return refuse(parser, "number beyond 64 bits");
		value->magnitude = value->magnitude * 10 + digit;
	}
	if (parser->at == first || (*first == '0' && parser->at - first > 1))
		return refuse(parser, "not a number");
	if (parser->at < parser->end && memchr(".eE", *parser->at, 3))
		return refuse(parser, "only integers are used here");
	return 0;
}

static int parse_member(struct parser *parser, const struct json *object, const char **key)
{
	if (!accept(parser, '"'))
		return refuse(parser, "expected a member's name");
	if (parse_string(parser, key) < 0)
		return -1;
	if (json_get(object, *key))
		return refuse(parser, "the same name twice in an object");
	if (object->count == MAX_MEMBERS)
		return refuse(parser, "too many members in an object");
	return accept(parser, ':') ? 0 : refuse(parser, "expected ':'");
}

static int parse_children(struct parser *parser, struct json *value, char close)
{
	struct json **tail = &value->child;
	value->type = close == '}' ? JSON_OBJECT : JSON_ARRAY;
	if (++parser->depth > MAX_DEPTH)
		return refuse(parser, "nested too deeply");
	if (!accept(parser, close)) {
		do {
			const char *key = NULL;
			if (close == '}' && parse_member(parser, value, &key) < 0)
				return -1;
			if (parse_value(parser, tail) < 0)
				return -1;
			(*tail)->key = key;
			tail = &(*tail)->next;
			value->count++;
		} while (accept(parser, ','));
		if (!accept(parser, close))
			return refuse(parser, "expected ',' or the end of the list or object");
	}
	parser->depth--;
	return 0;
}

static int parse_word(struct parser *parser, struct json *value)
{
	static const struct {
		const char *word;
		enum json_type type;
	} words[] = { { "null", JSON_NULL }, { "false", JSON_FALSE }, { "true", JSON_TRUE } };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		size_t length = strlen(words[i].word);
		if ((size_t)(parser->end - parser->at) >= length && memcmp(parser->at, words[i].word, length) == 0) {
			parser->at += length;
			value->type = words[i].type;
			return 0;
		}
	}
	return refuse(parser, "expected a value");
}

static int parse_value(struct parser *parser, struct json **out)
{
	if (parser->used == parser->capacity)
		return refuse(parser, "too many values");
	struct json *value = *out = &parser->values[parser->used++];
	skip_space(parser);
	if (accept(parser, '{'))
		return parse_children(parser, value, '}');
	if (accept(parser, '['))
		return parse_children(parser, value, ']');
	if (accept(parser, '"')) {
		value->type = JSON_STRING;
		return parse_string(parser, &value->string);
	}
	if (parser->at < parser->end && (*parser->at == '-' || isdigit((unsigned char)*parser->at)))
		return parse_number(parser, value);
	return parse_word(parser, value);
}

int json_parse(struct json_document *document, char *text, size_t length, struct failure *failure)
{
	size_t capacity = 1; // every value but the first follows one of these signs
	for (size_t i = 0; i < length; i++)
		capacity += text[i] == '[' || text[i] == ',' || text[i] == ':';
	if (capacity > MAX_VALUES)
		capacity = MAX_VALUES;
	*document = (struct json_document){ .text = text, .root = calloc(capacity, sizeof(struct json)) };
	struct parser parser = {
		.start = text, .at = text, .end = text + length, .values = document->root, .capacity = capacity, .failure = failure
	};
	struct json *root;
	int result = document->root ? parse_value(&parser, &root) : fail(failure, "out of memory");
	skip_space(&parser);
	if (result == 0 && parser.at != parser.end)
		result = refuse(&parser, "more text after the value");
	if (result < 0)
		json_free(document);
	return result;
}

int json_read_file(struct json_document *document, int dir, const char *path, struct failure *failure)
{
	struct failure reason;
	size_t length;
	char *text = read_file(dir, path, MAX_FILE, &length, failure);
	if (!text)
		return -1;
	if (json_parse(document, text, length, &reason) < 0)
		return fail(failure, "%s: %.400s", path, reason.reason);
	return 0;
}

void json_free(struct json_document *document)
{
	free(document->root);
	free(document->text);
	*document = (struct json_document){ 0 };
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (object->type != JSON_OBJECT)
		return NULL;
	for (const struct json *member = object->child; member; member = member->next)
		if (strcmp(member->key, key) == 0)
			return member;
	return NULL;
}

int json_only(const struct json *object, const char *const keys[], struct failure *failure)
{
	if (object->type != JSON_OBJECT)
		return fail(failure, "expected an object");
	for (const struct json *member = object->child; member; member = member->next) {
		size_t i = 0;
		while (keys[i] && strcmp(keys[i], member->key) != 0)
			i++;
		if (!keys[i])
			return fail(failure, "unknown field %.64s", member->key);
	}
	return 0;
}

int json_text(const struct json *object, const char *key, const char **out, struct failure *failure)
{
	const struct json *value = json_get(object, key);
	if (!value || value->type != JSON_STRING || value->string[0] == '\0')
		return fail(failure, "field %s must be a string that is not empty", key);
	*out = value->string;
	return 0;
}

bool json_in_range(const struct json *value, int64_t min, int64_t max, int64_t *out)
{
	if (value->type != JSON_NUMBER || value->magnitude > INT64_MAX)
		return false;
	*out = value->negative ? -(int64_t)value->magnitude : (int64_t)value->magnitude;
	return *out >= min && *out <= max;
}

int json_integer(const struct json *object, const char *key, int64_t min, int64_t max, int64_t *out,
		 struct failure *failure)
{
	const struct json *value = json_get(object, key);
	if (!value || !json_in_range(value, min, max, out))
		return fail(failure, "field %s must be an integer from %lld to %lld", key, (long long)min, (long long)max);
	return 0;
}

int json_list(const struct json *object, const char *key, const struct json **out, struct failure *failure)
{
	*out = json_get(object, key);
	if (!*out || (*out)->type != JSON_ARRAY)
		return fail(failure, "field %s must be a list", key);
	return 0;
}

int json_texts(const struct json *object, const char *key, const struct json **out, struct failure *failure)
{
	if (json_list(object, key, out, failure) < 0)
		return -1;
	for (const struct json *item = (*out)->child; item; item = item->next)
		if (item->type != JSON_STRING)
			return fail(failure, "field %s must be a list of strings", key);
	return 0;
}

void json_add_string(struct buffer *buffer, const char *text)
{
	size_t left = strlen(text), length;
	buffer_add(buffer, "\"", 1);
	for (; left > 0; text += length, left -= length) {
		length = utf8_length(text, left);
		if (length == 0) {
			buffer_add(buffer, "\xef\xbf\xbd", 3);
			length = 1;
		} else if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\') {
			buffer_print(buffer, "\\u%04x", (unsigned char)*text);
		} else {
			buffer_add(buffer, text, length);
		}
	}
	buffer_add(buffer, "\"", 1);
}
