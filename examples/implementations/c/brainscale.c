/* brainscale in C99: SPEC.md behind the pipe of pipe.md, in one file, with the C library alone.
 *
 * A line of JSON is read, becomes a Thing, is answered by the function of its call, and forgotten.
 * What a call needs lies in one arena that is emptied after it; each state has an arena of its own.
 * A call is refused by refuse(), which jumps back to the loop in main(): all checks of a call come
 * before its first change, so a refused call leaves everything as it was.
 *
 * The sections are those of SPEC.md, behind the plumbing: memory, errors, JSON, things, answers.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GNUC__
#define NEVER_RETURNS __attribute__((noreturn))
#define LIKE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define NEVER_RETURNS
#define LIKE_PRINTF(f, a)
#endif

#define PI 3.14159265358979323846264338327950288L
#define DEEPEST 2000 /* containers within containers, at most */
#define LARGEST ((size_t)1 << 31) /* bytes, or numbers, of one thing */
#define MAX_AXES 32

/* ================================================================== memory */

typedef struct Block { struct Block *next; size_t used, size; } Block;
typedef struct { Block *first; } Arena;

static Arena call_memory;         /* of the call that is being answered */
static jmp_buf back_to_loop;
static const char *refusal_name;  /* an error of chapter 12, or NULL: unsupported */
static const char *refusal_text;
static int precision = 64;

NEVER_RETURNS static void out_of_memory(void)
{
    refusal_name = NULL;
    refusal_text = "there is not enough memory";
    longjmp(back_to_loop, 1);
}

#define BLOCK_HEAD ((sizeof(Block) + 15) / 16 * 16)

/* n bytes of zeros that live as long as the arena */
static void *get_from(Arena *arena, size_t n)
{
    if (n > LARGEST) out_of_memory();
    n = (n + 16) / 16 * 16;
    Block *b = arena->first;
    if (!b || b->size - b->used < n) {
        size_t size = n > 65536 ? n : 65536;
        b = malloc(BLOCK_HEAD + size);
        if (!b) out_of_memory();
        b->next = arena->first;
        b->used = 0;
        b->size = size;
        arena->first = b;
    }
    void *p = (char *)b + BLOCK_HEAD + b->used;
    b->used += n;
    return memset(p, 0, n);
}

static void empty_arena(Arena *arena)
{
    while (arena->first) {
        Block *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
}

static void *get(size_t n) { return get_from(&call_memory, n); }

/* an array of n entries; the product is checked */
static void *get_many(size_t n, size_t bytes)
{
    if (n > LARGEST / bytes) out_of_memory();
    return get(n * bytes);
}

static double *get_numbers(size_t n) { return get_many(n, sizeof(double)); }

static char *copy_text(Arena *arena, const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(get_from(arena, n), text, n);
}

/* ================================================================== errors (chapter 12) */

/* a text made as printf makes it */
static const char *say_list(const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, format, list);
    char *text = get((size_t)(n < 0 ? 0 : n) + 1);
    vsnprintf(text, (size_t)(n < 0 ? 0 : n) + 1, format, again);
    va_end(again);
    return text;
}

LIKE_PRINTF(1, 2) static const char *say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const char *text = say_list(format, list);
    va_end(list);
    return text;
}

/* ends the call with an error of chapter 12 */
LIKE_PRINTF(2, 3) NEVER_RETURNS static void refuse(const char *name, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    refusal_text = say_list(format, list);
    va_end(list);
    refusal_name = name;
    longjmp(back_to_loop, 1);
}

NEVER_RETURNS static void unsupported(const char *what)
{
    refusal_name = NULL;
    refusal_text = say("this program does not have %s", what);
    longjmp(back_to_loop, 1);
}

/* ================================================================== JSON */

typedef enum { J_NULL, J_FALSE, J_TRUE, J_NUMBER, J_TEXT, J_LIST, J_OBJECT } JsonKind;

typedef struct Json {
    JsonKind kind;
    const char *text;     /* of a number as it was written, of text in UTF-8 */
    size_t count, room;
    struct Json **items;
    const char **keys;    /* of an object */
} Json;

static const char *cursor;

NEVER_RETURNS static void bad_json(const char *what)
{
    refusal_name = NULL;
    refusal_text = say("the question is no JSON: %s", what);
    longjmp(back_to_loop, 1);
}

static void skip_space(void)
{
    while (*cursor == ' ' || *cursor == '\t' || *cursor == '\r' || *cursor == '\n') cursor++;
}

static int hex_digits(void)
{
    int code = 0;
    for (int i = 0; i < 4; i++, cursor++) {
        char c = *cursor;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) bad_json("a bad \\u");
        code = code * 16 + digit;
    }
    return code;
}

/* A letter in UTF-8; the letter 0 as two bytes, so that texts end at a byte 0 as C has it. */
static char *put_letter(char *to, long code)
{
    if (code > 0 && code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

static char *parse_escape(char *to)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = *cursor++;
    if (c == 'u') {
        long code = hex_digits();
        if (code >= 0xD800 && code < 0xDC00 && cursor[0] == '\\' && cursor[1] == 'u') {
            const char *here = cursor;
            cursor += 2;
            long low = hex_digits();
            if (low >= 0xDC00 && low < 0xE000) code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            else cursor = here;
        }
        return put_letter(to, code);
    }
    const char *found = c ? strchr(letters, c) : NULL;
    if (!found) bad_json("a bad escape");
    *to++ = meanings[found - letters];
    return to;
}

static const char *parse_text(void)
{
    if (*cursor++ != '"') bad_json("text is missing");
    const char *end = cursor;
    while (*end && *end != '"') end += end[0] == '\\' && end[1] ? 2 : 1;
    if (!*end) bad_json("text without end");
    char *text = get((size_t)(end - cursor) + 1), *to = text;
    while (*cursor != '"') {
        if (*cursor == '\\') { cursor++; to = parse_escape(to); }
        else *to++ = *cursor++;
    }
    cursor++;
    return text;
}

static void append(Json *list, const char *key, Json *item)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 4;
        Json **items = get_many(room, sizeof *items);
        const char **keys = get_many(room, sizeof *keys);
        for (size_t i = 0; i < list->count; i++) { items[i] = list->items[i]; keys[i] = list->keys[i]; }
        list->items = items;
        list->keys = keys;
        list->room = room;
    }
    list->keys[list->count] = key;
    list->items[list->count++] = item;
}

static Json *parse_json(int depth);

static void parse_entries(Json *json, char end, int depth)
{
    cursor++;
    skip_space();
    if (*cursor == end) { cursor++; return; }
    for (;;) {
        const char *key = NULL;
        skip_space();
        if (end == '}') {
            key = parse_text();
            skip_space();
            if (*cursor++ != ':') bad_json("a colon is missing");
        }
        append(json, key, parse_json(depth + 1));
        skip_space();
        char c = *cursor++;
        if (c == end) return;
        if (c != ',') bad_json("a comma is missing");
    }
}

static void parse_number(Json *json)
{
    size_t n = strspn(cursor, "+-.0123456789eE");
    if (!n) bad_json("something that is nothing");
    char *text = get(n + 1);
    memcpy(text, cursor, n);
    cursor += n;
    json->text = text;
}

static Json *parse_json(int depth)
{
    Json *json = get(sizeof *json);
    if (depth > DEEPEST) bad_json("too deep");
    skip_space();
    if (*cursor == '{') { json->kind = J_OBJECT; parse_entries(json, '}', depth); }
    else if (*cursor == '[') { json->kind = J_LIST; parse_entries(json, ']', depth); }
    else if (*cursor == '"') { json->kind = J_TEXT; json->text = parse_text(); }
    else if (!strncmp(cursor, "null", 4)) { json->kind = J_NULL; cursor += 4; }
    else if (!strncmp(cursor, "true", 4)) { json->kind = J_TRUE; cursor += 4; }
    else if (!strncmp(cursor, "false", 5)) { json->kind = J_FALSE; cursor += 5; }
    else { json->kind = J_NUMBER; parse_number(json); }
    return json;
}

static const Json *member(const Json *json, const char *key)
{
    for (size_t i = 0; json->kind == J_OBJECT && i < json->count; i++)
        if (!strcmp(json->keys[i], key)) return json->items[i];
    return NULL;
}

static const char *member_text(const Json *json, const char *key)
{
    const Json *m = member(json, key);
    return m && m->kind == J_TEXT ? m->text : NULL;
}

/* RFC 4648; NULL where the text is not base64 of n bytes */
static unsigned char *decode_base64(const char *text, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    signed char digit[256];
    memset(digit, -1, sizeof digit);
    for (int i = 0; i < 64; i++) digit[(unsigned char)letters[i]] = (signed char)i;
    if (strlen(text) != (n + 2) / 3 * 4) return NULL;
    unsigned char *bytes = get(n + 3);
    for (size_t i = 0; i < n; i += 3, text += 4) {
        unsigned long bits = 0;
        for (int j = 0; j < 4; j++) {
            bool padding = text[j] == '=' && i + (size_t)j > n;
            if (digit[(unsigned char)text[j]] < 0 && !padding) return NULL;
            bits = bits << 6 | (padding ? 0 : (unsigned long)digit[(unsigned char)text[j]]);
        }
        bytes[i] = (unsigned char)(bits >> 16);
        bytes[i + 1] = (unsigned char)(bits >> 8 & 255);
        bytes[i + 2] = (unsigned char)(bits & 255);
    }
    return bytes;
}

/* ================================================================== things */

/* Units (chapter 1): powers of kg, m, s, A, and the power of ten over the coherent SI unit. */
typedef struct { const char *name; int power[4]; int ten; bool known; } Unit;

typedef enum { D_B1, D_I1, D_I2, D_I4, D_I8, D_U1, D_U2, D_U4, D_U8, D_F2, D_F4, D_F8, D_C8, D_C16, NO_DTYPE } Dtype;

static const struct { const char *name, *word; char kind; size_t bytes; } DTYPES[] = {
    {"|b1", "bool", 'b', 1}, {"|i1", "int8", 'i', 1}, {"<i2", "int16", 'i', 2}, {"<i4", "int32", 'i', 4},
    {"<i8", "int64", 'i', 8}, {"|u1", "uint8", 'u', 1}, {"<u2", "uint16", 'u', 2}, {"<u4", "uint32", 'u', 4},
    {"<u8", "uint64", 'u', 8}, {"<f2", "float16", 'f', 2}, {"<f4", "float32", 'f', 4},
    {"<f8", "float64", 'f', 8}, {"<c8", "complex64", 'c', 8}, {"<c16", "complex128", 'c', 16},
};

typedef struct { size_t axes; size_t length[MAX_AXES]; } Shape;

typedef struct {
    bool has_unit;
    Unit unit;
    Dtype dtype;
    Shape shape;
    size_t size;
    const unsigned char *bytes;
} Array;

typedef enum { NOTHING, BOOLEAN, INTEGER, REAL, TEXT, LIST, TUPLE, DICT, VALUE, STATE, OTHER } Kind;

typedef struct Thing {
    Kind kind;
    long long integer;     /* of an integer, a boolean, a state */
    bool huge;             /* an integer beyond 63 bits */
    bool is_container;     /* of OTHER: it has a length */
    double real;
    const char *text;      /* of text; of numbers, as written; of OTHER, what it shows */
    const char *type;      /* of OTHER: its type */
    size_t count;
    struct Thing **items;
    struct Thing **keys;   /* of a dict */
    Array *array;          /* of a value */
} Thing;

static const Thing NO_THING = {NOTHING, 0, false, false, 0, "None", NULL, 0, NULL, NULL, NULL};

static size_t shape_size(const Shape *s)
{
    size_t n = 1;
    bool empty = false;
    for (size_t i = 0; i < s->axes; i++) {
        if (!s->length[i]) { empty = true; continue; }
        if (n > LARGEST / s->length[i]) out_of_memory();
        n *= s->length[i];
    }
    return empty ? 0 : n;
}

static bool same_shape(const Shape *a, const Shape *b)
{
    if (a->axes != b->axes) return false;
    for (size_t i = 0; i < a->axes; i++) if (a->length[i] != b->length[i]) return false;
    return true;
}

static const char *shape_text(const Shape *s)
{
    const char *text = "(";
    for (size_t i = 0; i < s->axes; i++)
        text = say("%s%zu%s", text, s->length[i], s->axes == 1 ? "," : i + 1 < s->axes ? ", " : "");
    return say("%s)", text);
}

static Shape shape_of(size_t axes, const size_t *length)
{
    Shape s = {0, {0}};
    for (size_t i = 0; i < axes; i++) s.length[s.axes++] = length[i];
    return s;
}
#define SHAPE(...) shape_of(sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), (size_t[]){__VA_ARGS__})

/* a shape with one more axis in front, or behind */
static Shape with_axis(size_t length, const Shape *s)
{
    Shape r = {0, {0}};
    if (s->axes + 1 > MAX_AXES) unsupported("so many axes");
    r.length[r.axes++] = length;
    for (size_t i = 0; i < s->axes; i++) r.length[r.axes++] = s->length[i];
    return r;
}

static Shape with_last_axis(const Shape *s, size_t length)
{
    Shape r = *s;
    if (s->axes + 1 > MAX_AXES) unsupported("so many axes");
    r.length[r.axes++] = length;
    return r;
}

static bool read_integer(const char *text, long long *to)
{
    errno = 0;
    *to = strtoll(text, NULL, 10);
    return errno == 0;
}

/* --- units --- */

static const struct { const char *name; int power[4]; int ten; } SYMBOLS[] = {
    {"V", {1, 2, -3, -1}, 0}, {"A", {0, 0, 0, 1}, 0}, {"ohm", {1, 2, -3, -2}, 0}, {"S", {-1, -2, 3, 2}, 0},
    {"F", {-1, -2, 4, 2}, 0}, {"Hz", {0, 0, -1, 0}, 0}, {"s", {0, 0, 1, 0}, 0}, {"m", {0, 1, 0, 0}, 0},
    {"g", {1, 0, 0, 0}, -3}, {"10", {0, 0, 0, 0}, 1},
};
static const char PREFIXES[] = "pnumckMG";
static const int PREFIX_TENS[] = {-12, -9, -6, -3, -2, 3, 6, 9};

/* one symbol of n letters, to the power p, multiplied into the unit */
static bool multiply_symbol(Unit *unit, const char *name, size_t n, int p)
{
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++) {
        size_t length = strlen(SYMBOLS[i].name);
        int ten = SYMBOLS[i].ten;
        if (n == length + 1 && strcmp(SYMBOLS[i].name, "10")) {
            const char *prefix = strchr(PREFIXES, name[0]);
            if (!prefix || strncmp(name + 1, SYMBOLS[i].name, length)) continue;
            ten += PREFIX_TENS[prefix - PREFIXES];
        } else if (n != length || strncmp(name, SYMBOLS[i].name, length)) {
            continue;
        }
        for (int j = 0; j < 4; j++) unit->power[j] += p * SYMBOLS[i].power[j];
        unit->ten += p * ten;
        return true;
    }
    return false;
}

/* a unit by its name, as chapter 1 has it */
static Unit unit_named(const char *name)
{
    Unit unit = {name, {0, 0, 0, 0}, 0, true};
    while (*name) {
        size_t n = strcspn(name, "^ ");
        long p = 1;
        const char *next = name + n;
        if (*next == '^') {
            char *end;
            p = strtol(next + 1, &end, 10);
            if (end == next + 1 || p > 99 || p < -99) { unit.known = false; p = 0; }
            next = end;
        }
        if (n && !multiply_symbol(&unit, name, n, (int)p)) unit.known = false;
        if (*next && *next != ' ') { unit.known = false; break; }
        name = next + strspn(next, " ");
    }
    return unit;
}

static bool same_dimension(const Unit *a, const Unit *b)
{
    return a->known && b->known && !memcmp(a->power, b->power, sizeof a->power);
}

/* --- numbers of an array --- */

static double half_to_double(unsigned h)
{
    int exponent = h >> 10 & 31;
    double fraction = h & 1023, x;
    if (exponent == 31) x = fraction != 0 ? NAN : INFINITY;
    else x = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h >> 15 ? -x : x;
}

/* to the nearest, ties to even */
static unsigned double_to_half(double x)
{
    unsigned sign = signbit(x) ? 0x8000u : 0;
    double size = fabs(x);
    if (isnan(x)) return sign | 0x7E00u;
    if (isinf(x)) return sign | 0x7C00u;
    int exponent;
    frexp(size, &exponent);                     /* size = f 2^exponent, 1/2 <= f < 1 */
    if (size == 0 || exponent < -13) return sign | (unsigned)nearbyint(ldexp(size, 24));
    if (exponent > 16) return sign | 0x7C00u;
    unsigned bits = (unsigned)nearbyint(ldexp(size, 11 - exponent)) - 1024;  /* may carry into the exponent */
    bits += (unsigned)(exponent + 14) << 10;
    return sign | (bits >= 0x7C00u ? 0x7C00u : bits);
}

static unsigned long long read_bits(const unsigned char *p, size_t n)
{
    unsigned long long bits = 0;
    for (size_t i = n; i-- > 0;) bits = bits << 8 | p[i];
    return bits;
}

static void write_bits(unsigned char *p, size_t n, unsigned long long bits)
{
    for (size_t i = 0; i < n; i++, bits >>= 8) p[i] = (unsigned char)(bits & 255);
}

static double float_from(const unsigned char *p, size_t n)
{
    if (n == 2) return half_to_double((unsigned)read_bits(p, 2));
    if (n == 4) { uint32_t b = (uint32_t)read_bits(p, 4); float f; memcpy(&f, &b, 4); return f; }
    uint64_t b = read_bits(p, 8);
    double d;
    memcpy(&d, &b, 8);
    return d;
}

static void float_to(unsigned char *p, size_t n, double x)
{
    if (n == 2) { write_bits(p, 2, double_to_half(x)); return; }
    if (n == 4) { float f = (float)x; uint32_t b; memcpy(&b, &f, 4); write_bits(p, 4, b); return; }
    uint64_t b;
    memcpy(&b, &x, 8);
    write_bits(p, 8, b);
}

/* the i-th number; part 1 is the imaginary one */
static double number_at(const Array *a, size_t i, int part)
{
    size_t n = DTYPES[a->dtype].bytes;
    const unsigned char *p = a->bytes + i * n;
    switch (DTYPES[a->dtype].kind) {
    case 'c': return float_from(p + (part ? n / 2 : 0), n / 2);
    case 'f': return part ? 0 : float_from(p, n);
    case 'i': {
        unsigned long long bits = read_bits(p, n), top = 1ULL << (8 * n - 1);
        return part ? 0 : bits & top ? -(double)((top - 1 - (bits & (top - 1))) + 1) : (double)bits;
    }
    default: return part ? 0 : (double)read_bits(p, n);
    }
}

static double scaled(double x, int ten)
{
    return ten >= 0 ? x * pow(10, ten) : x / pow(10, -ten);
}

/* --- from JSON to things --- */

static Thing *thing_of(const Json *json);

static Thing *other_thing(const char *type, const char *text, bool is_container)
{
    Thing *t = get(sizeof *t);
    t->kind = OTHER;
    t->type = type;
    t->text = text;
    t->is_container = is_container;
    return t;
}

static bool read_shape(const Json *json, Shape *shape)
{
    if (!json || json->kind != J_LIST || json->count > MAX_AXES) return false;
    shape->axes = json->count;
    for (size_t i = 0; i < json->count; i++) {
        long long n;
        if (json->items[i]->kind != J_NUMBER || !read_integer(json->items[i]->text, &n) || n < 0) return false;
        shape->length[i] = (size_t)n;
    }
    return true;
}

static Thing *array_thing(const Json *json)
{
    const char *name = member_text(json, "dtype"), *data = member_text(json, "data");
    const Json *unit = member(json, "unit");
    Array *a = get(sizeof *a);
    if (member(json, "mask")) return other_thing("MaskedArray", "a masked array", false);
    for (a->dtype = D_B1; a->dtype < NO_DTYPE; a->dtype++)
        if (name && !strcmp(DTYPES[a->dtype].name, name)) break;
    if (a->dtype == NO_DTYPE) return other_thing(say("ndarray of dtype %s", name ? name : "?"), "an array", false);
    if (!data || !read_shape(member(json, "shape"), &a->shape)) return other_thing("broken array", "an array", false);
    a->size = shape_size(&a->shape);
    a->bytes = decode_base64(data, a->size * DTYPES[a->dtype].bytes);
    if (!a->bytes) return other_thing("broken array", "an array", false);
    a->has_unit = unit && unit->kind == J_TEXT;
    if (a->has_unit) a->unit = unit_named(unit->text);
    Thing *t = get(sizeof *t);
    t->kind = VALUE;
    t->array = a;
    t->text = say("an array of shape %s", shape_text(&a->shape));
    return t;
}

static Thing *list_thing(const Json *json, Kind kind)
{
    Thing *t = get(sizeof *t);
    t->kind = kind;
    t->count = json->kind == J_LIST ? json->count : 0;
    t->items = get_many(t->count, sizeof *t->items);
    for (size_t i = 0; i < t->count; i++) t->items[i] = thing_of(json->items[i]);
    return t;
}

static Thing *text_thing(const char *text)
{
    Thing *t = get(sizeof *t);
    t->kind = TEXT;
    t->text = text;
    return t;
}

/* an object, or pairs of any keys and things */
static Thing *dict_thing(const Json *json)
{
    Thing *t = get(sizeof *t);
    t->kind = DICT;
    t->count = json->count;
    t->items = get_many(t->count, sizeof *t->items);
    t->keys = get_many(t->count, sizeof *t->keys);
    for (size_t i = 0; i < t->count; i++) {
        const Json *entry = json->items[i];
        if (json->kind == J_OBJECT) {
            t->keys[i] = text_thing(json->keys[i]);
            t->items[i] = thing_of(entry);
        } else {
            if (entry->kind != J_LIST || entry->count != 2) return other_thing("broken dict", "pairs", false);
            t->keys[i] = thing_of(entry->items[0]);
            t->items[i] = thing_of(entry->items[1]);
        }
    }
    return t;
}

static Thing *real_thing(const Json *json)
{
    Thing *t = get(sizeof *t);
    t->kind = REAL;
    t->text = json->text ? json->text : "?";
    t->real = strtod(t->text, NULL); /* also nan, inf and -inf */
    return t;
}

/* an object with a member that begins with $ */
static Thing *marked_thing(const Json *json, const char *mark)
{
    const Json *content = member(json, mark);
    if (!strcmp(mark, "$float")) return real_thing(content);
    if (!strcmp(mark, "$tuple")) return list_thing(content, TUPLE);
    if (!strcmp(mark, "$dict")) return dict_thing(content);
    if (!strcmp(mark, "$complex")) return other_thing("complex", "a complex number", false);
    if (!strcmp(mark, "$value")) return other_thing("value without an array", "a value", false);
    if (!strcmp(mark, "$state")) {
        Thing *t = get(sizeof *t);
        t->kind = STATE;
        t->text = "a state";
        if (content->kind != J_NUMBER || !read_integer(content->text, &t->integer)) t->integer = -1;
        return t;
    }
    const char *type = member_text(json, "$object"), *text = member_text(json, "text");
    return other_thing(type ? type : "object", text ? text : "an object", member(json, "length") != NULL);
}

static Thing *thing_of(const Json *json)
{
    Thing *t = get(sizeof *t);
    switch (json->kind) {
    case J_NULL: t->text = "None"; return t;
    case J_TRUE: case J_FALSE:
        t->kind = BOOLEAN;
        t->integer = json->kind == J_TRUE;
        t->text = t->integer ? "True" : "False";
        return t;
    case J_NUMBER:
        if (strpbrk(json->text, ".eE")) return real_thing(json);
        t->kind = INTEGER;
        t->text = json->text;
        t->huge = !read_integer(json->text, &t->integer);
        t->real = strtod(json->text, NULL);
        return t;
    case J_TEXT: return text_thing(json->text);
    case J_LIST: return list_thing(json, LIST);
    default: break;
    }
    for (size_t i = 0; i < json->count; i++)
        if (json->keys[i][0] == '$') return marked_thing(json, json->keys[i]);
    return member(json, "dtype") ? array_thing(json) : dict_thing(json);
}

/* the member of a record or the argument of a call; nothing where it is missing */
static const Thing *field(const Thing *record, const char *key)
{
    for (size_t i = 0; record->kind == DICT && i < record->count; i++)
        if (record->keys[i]->kind == TEXT && !strcmp(record->keys[i]->text, key)) return record->items[i];
    return &NO_THING;
}

static bool is_list(const Thing *t) { return t->kind == LIST || t->kind == TUPLE; }

static bool is_container(const Thing *t) { return is_list(t) || t->kind == DICT || t->is_container; }

/* what something is, for messages */
static const char *what_is(const Thing *t)
{
    static const char *types[] = {"NoneType", "bool", "int", "float", "str", "list", "tuple", "dict", "value", "state"};
    if (is_list(t) || t->kind == DICT) return say("a %s of %zu entries", types[t->kind], t->count);
    return say("%s of type %s", t->text ? t->text : "something", t->kind == OTHER ? t->type : types[t->kind]);
}

/* ================================================================== answers */

typedef struct { char *text; size_t count, room; } Output;
static Output answer; /* kept from call to call */

static void put_bytes(const char *text, size_t n)
{
    if (answer.room - answer.count < n) {
        size_t room = 2 * answer.room + n + 4096;
        char *text2 = realloc(answer.text, room);
        if (!text2) out_of_memory();
        answer.text = text2;
        answer.room = room;
    }
    memcpy(answer.text + answer.count, text, n);
    answer.count += n;
}

static void put(const char *text) { put_bytes(text, strlen(text)); }

static void put_integer(long long i)
{
    char text[32];
    sprintf(text, "%lld", i);
    put(text);
}

/* the letter at *text, in the UTF-8 of put_letter; *text moves behind it */
static long next_letter(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    int more = p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 1 : p[0] < 0xF0 ? 2 : 3;
    long code = more == 0 ? p[0] : p[0] & (0x3F >> more);
    int i = 1;
    for (; i <= more && (p[i] & 0xC0) == 0x80; i++) code = code << 6 | (p[i] & 63);
    *text += i;
    return code;
}

static void put_text(const char *text)
{
    char part[32];
    put("\"");
    while (*text) {
        long code = next_letter(&text);
        if (code == '"' || code == '\\') sprintf(part, "\\%c", (char)code);
        else if (code >= 32 && code < 127) sprintf(part, "%c", (char)code);
        else if (code < 0x10000) sprintf(part, "\\u%04lx", code);
        else sprintf(part, "\\u%04lx\\u%04lx", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 1023));
        put(part);
    }
    put("\"");
}

static void put_base64(const unsigned char *bytes, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    put("\"");
    for (size_t i = 0; i < n; i += 3) {
        unsigned long bits = (unsigned long)bytes[i] << 16;
        if (i + 1 < n) bits |= (unsigned long)bytes[i + 1] << 8;
        if (i + 2 < n) bits |= bytes[i + 2];
        char four[4] = {letters[bits >> 18], letters[bits >> 12 & 63], letters[bits >> 6 & 63], letters[bits & 63]};
        if (i + 1 >= n) four[2] = '=';
        if (i + 2 >= n) four[3] = '=';
        put_bytes(four, 4);
    }
    put("\"");
}

static const char BARE[] = "bare"; /* in the place of a unit's name */

/* a value; an array where the unit is NULL */
static void put_array(const char *unit, Dtype dtype, const Shape *shape, const unsigned char *bytes)
{
    put("{");
    if (unit == BARE) put("\"unit\":null,");
    else if (unit) { put("\"unit\":"); put_text(unit); put(","); }
    put("\"dtype\":");
    put_text(DTYPES[dtype].name);
    put(",\"shape\":[");
    for (size_t i = 0; i < shape->axes; i++) { if (i) put(","); put_integer((long long)shape->length[i]); }
    put("],\"data\":");
    put_base64(bytes, shape_size(shape) * DTYPES[dtype].bytes);
    put("}");
}

/* floating-point numbers at the precision asked for; unit NULL: an array */
static void put_numbers(const char *unit, Shape shape, const double *x)
{
    Dtype dtype = precision == 32 ? D_F4 : D_F8;
    size_t n = shape_size(&shape), bytes = DTYPES[dtype].bytes;
    unsigned char *data = get_many(n, bytes);
    for (size_t i = 0; i < n; i++) float_to(data + i * bytes, bytes, x[i]);
    put_array(unit, dtype, &shape, data);
}

/* a number as a state keeps it */
static double kept(long double x) { return precision == 32 ? (double)(float)x : (double)x; }

/* ================================================================== 1 values and units */

static const char *unit_text(const Array *a) { return a->has_unit ? say("the unit %s", a->unit.name) : "no unit"; }

/* UNIT-1 to UNIT-4: the power of ten by which a's numbers are scaled for the unit needed (NULL: none) */
static int rescaling(const char *subject, const Array *a, const Unit *needed)
{
    static const Unit plain = {"", {0, 0, 0, 0}, 0, true};
    if (a->has_unit != (needed != NULL) && needed)
        refuse("UnitError", "%s: got no unit; needs the unit %s", subject, needed->name);
    if (!a->has_unit) return 0;
    if (!same_dimension(&a->unit, needed ? needed : &plain))
        refuse("UnitError", "%s: got %s; needs %s", subject, unit_text(a),
               needed ? say("the unit %s", needed->name) : "no unit");
    return a->unit.ten - (needed ? needed->ten : 0);
}

/* STATE-6: NumPy's "safe" rule */
static bool casts_safely(Dtype from, Dtype to)
{
    char a = DTYPES[from].kind, b = DTYPES[to].kind;
    size_t n = DTYPES[from].bytes, m = DTYPES[to].bytes;
    if (a == 'b' || from == to) return true;
    if (a == b) return n <= m;
    if (a == 'u' && b == 'i') return n < m;
    if (b == 'c' && a != 'b') { m /= 2; b = 'f'; }
    if (b == 'f' && a == 'f') return n <= m;
    return b == 'f' && (a == 'i' || a == 'u') && (n == 8 ? m == 8 : 2 * n <= m);
}

/* What is written into a state, or a part of one, or a leaf */
typedef struct { bool has_unit; Unit unit; Dtype dtype; Shape shape; } Form;

/* STATE-6, STATE-7: numbers cast to the form's dtype and scaled by a power of ten */
static unsigned char *cast_numbers(const char *subject, const Form *form, const Array *a, int ten)
{
    bool floating = strchr("fc", DTYPES[form->dtype].kind) != NULL;
    size_t n = DTYPES[form->dtype].bytes, parts = DTYPES[form->dtype].kind == 'c' ? 2 : 1;
    unsigned char *bytes = get_many(a->size, n), *to = bytes;
    for (size_t i = 0; i < a->size * parts; i++, to += n / parts) {
        double x = number_at(a, i / parts, (int)(i % parts));
        if (!floating) {
            write_bits(to, n, x < 0 ? (unsigned long long)(long long)x : (unsigned long long)x);
            continue;
        }
        float_to(to, n / parts, scaled(x, ten));
        if (isfinite(x) && !isfinite(float_from(to, n / parts)))
            refuse("DtypeError", "%s: got %.17g %s, which becomes infinite in the dtype %s; needs a number that it holds",
                   subject, x, a->has_unit ? a->unit.name : "", DTYPES[form->dtype].word);
    }
    return bytes;
}

/* STATE-4 to STATE-7, in the order of ERR-3: the bytes of the form that the thing becomes */
static const unsigned char *bytes_for(const char *subject, const Form *form, const Thing *thing)
{
    const Array *a = thing->array;
    if (thing->kind != VALUE)
        refuse("ValueTypeError", "%s: got %s; needs a value, which is an array", subject, what_is(thing));
    int ten = rescaling(subject, a, form->has_unit ? &form->unit : NULL);
    const char *from = DTYPES[a->dtype].word, *to = DTYPES[form->dtype].word;
    if (!casts_safely(a->dtype, form->dtype))
        refuse("DtypeError", "%s: got the dtype %s; needs %s, or what is safely cast to it", subject, from, to);
    if (ten && !strchr("fc", DTYPES[form->dtype].kind))
        refuse("DtypeError", "%s: got the dtype %s in the unit %s; needs %s, as numbers of dtype %s are not rescaled", subject, from,
               a->unit.name, form->has_unit ? say("the unit %s", form->unit.name) : "no unit", to);
    const unsigned char *bytes = a->dtype == form->dtype && !ten ? a->bytes : cast_numbers(subject, form, a, ten);
    if (!same_shape(&a->shape, &form->shape))
        refuse("ShapeError", "%s: got the shape %s; needs %s", subject, shape_text(&a->shape), shape_text(&form->shape));
    return bytes;
}

/* ================================================================== 2 to 5 states */

typedef struct Leaf {
    Form form;
    size_t bytes;            /* of the value */
    unsigned char *data;
    unsigned char *history;  /* K values, oldest first */
    const char *path;        /* for messages */
    const char *last;        /* the last step of the path: its name (TREE-7) */
} Leaf;

/* A node of a tree; a single and a group state have one, which is a leaf. */
typedef struct Node {
    Kind kind;               /* DICT, LIST, TUPLE, or VALUE: a leaf */
    size_t count, room;
    struct Node **items;
    const char **keys;
    Leaf *leaf;
} Node;

typedef enum { SINGLE, GROUP, TREE } StateKind;

typedef struct State {
    struct State *next;
    long long number;
    Arena memory;
    StateKind kind;
    const char *name;        /* NULL: unnamed */
    Node *root;
    size_t leaves;
    Leaf **leaf;             /* in leaf order */
    size_t parts;            /* n of a group */
    const char **part_names;
    size_t history;
} State;

static State *all_states;
static long long last_number;

static State *state_of(const Thing *args)
{
    const Thing *t = field(args, "state");
    for (State *s = all_states; s && t->kind == STATE; s = s->next)
        if (s->number == t->integer) return s;
    refuse("ValueTypeError", "state: got %s; needs a state that lives", what_is(t));
}

static const char *state_text(const State *s) { return s->name ? say("state '%s'", s->name) : "unnamed state"; }

/* the steps to a node, from below to above */
typedef struct Path { const struct Path *up; const char *key; size_t position; } Path;

static const char *step_text(const Path *p) { return p->key ? p->key : say("%zu", p->position); }

static const char *path_steps(const Path *p)
{
    const char *step = p->key ? say("'%s'", p->key) : step_text(p);
    return p->up ? say("%s, %s", path_steps(p->up), step) : step;
}

static const char *path_text(const Path *p)
{
    return p ? say("(%s%s)", path_steps(p), p->up ? "" : ",") : "()";
}

static Path step_into(const Path *up, const Thing *t, size_t i)
{
    Path p = {up, t->kind == DICT ? t->keys[i]->text : NULL, i};
    return p;
}

/* TREE-4, the structure: containers that have entries and keys that are text */
static void check_structure(const char *state, const Thing *t, const Path *path)
{
    if (!is_container(t)) return;
    if (t->is_container)
        refuse("StructureError", "%s, path %s: got %s; needs a dict, list or tuple", state, path_text(path), what_is(t));
    if (!t->count)
        refuse("StructureError", "%s, path %s: got 0 entries; needs at least 1 entry", state, path_text(path));
    for (size_t i = 0; i < t->count; i++) {
        if (t->kind == DICT && t->keys[i]->kind != TEXT)
            refuse("StructureError", "%s, path %s: got the key %s; needs keys that are text", state, path_text(path), what_is(t->keys[i]));
        Path here = step_into(path, t, i);
        check_structure(state, t->items[i], &here);
    }
}

/* TREE-4, the leaves: all of them are values */
static void check_leaves(const char *state, const Thing *t, const Path *path)
{
    if (!is_container(t) && t->kind != VALUE)
        refuse("ValueTypeError", "%s, path %s: got %s; needs a value, which is an array", state, path_text(path), what_is(t));
    for (size_t i = 0; is_container(t) && i < t->count; i++) {
        Path here = step_into(path, t, i);
        check_leaves(state, t->items[i], &here);
    }
}

/* HIST-2, HIST-8: the first value is all entries of the history */
static Leaf *new_leaf(State *s, const Array *a)
{
    Leaf *leaf = get_from(&s->memory, sizeof *leaf);
    leaf->form.has_unit = a->has_unit;
    leaf->form.unit = a->unit;
    if (a->has_unit) leaf->form.unit.name = copy_text(&s->memory, a->unit.name);
    leaf->form.dtype = a->dtype;
    leaf->form.shape = a->shape;
    leaf->bytes = a->size * DTYPES[a->dtype].bytes;
    leaf->data = get_from(&s->memory, leaf->bytes);
    memcpy(leaf->data, a->bytes, leaf->bytes);
    if (s->history > LARGEST / (leaf->bytes + 1)) out_of_memory();
    leaf->history = get_from(&s->memory, s->history * leaf->bytes);
    for (size_t k = 0; leaf->bytes && k < s->history; k++) memcpy(leaf->history + k * leaf->bytes, a->bytes, leaf->bytes);
    return leaf;
}

static void append_node(State *s, Node *parent, const char *key, Node *child)
{
    if (parent->count == parent->room) {
        size_t room = 2 * parent->room + 4;
        Node **items = get_from(&s->memory, room * sizeof *items);
        const char **keys = get_from(&s->memory, room * sizeof *keys);
        for (size_t i = 0; i < parent->count; i++) { items[i] = parent->items[i]; keys[i] = parent->keys[i]; }
        parent->items = items;
        parent->keys = keys;
        parent->room = room;
    }
    parent->keys[parent->count] = key ? copy_text(&s->memory, key) : NULL;
    parent->items[parent->count++] = child;
}

static Node *new_node(State *s, const Thing *t)
{
    Node *node = get_from(&s->memory, sizeof *node);
    node->kind = t->kind;
    if (t->kind == VALUE) { node->leaf = new_leaf(s, t->array); return node; }
    for (size_t i = 0; i < t->count; i++)
        append_node(s, node, t->kind == DICT ? t->keys[i]->text : NULL, new_node(s, t->items[i]));
    return node;
}

static size_t count_leaves(const Node *node)
{
    size_t n = node->kind == VALUE;
    for (size_t i = 0; i < node->count; i++) n += count_leaves(node->items[i]);
    return n;
}

/* TREE-2: the leaves, depth first */
static void gather_leaves(State *s, Node *node, const Path *path)
{
    if (node->kind == VALUE) {
        node->leaf->path = copy_text(&s->memory, path_text(path));
        node->leaf->last = copy_text(&s->memory, path ? step_text(path) : "");
        s->leaf[s->leaves++] = node->leaf;
    }
    for (size_t i = 0; i < node->count; i++) {
        Path here = {path, node->keys[i], i};
        gather_leaves(s, node->items[i], &here);
    }
}

static void list_leaves(State *s)
{
    s->leaf = get_from(&s->memory, count_leaves(s->root) * sizeof *s->leaf);
    s->leaves = 0;
    gather_leaves(s, s->root, NULL);
}

static void put_state(const State *s)
{
    put("{\"$state\":");
    put_integer(s->number);
    put("}");
}

static State *new_state(void)
{
    State *s = calloc(1, sizeof *s);
    if (!s) out_of_memory();
    s->number = ++last_number;
    s->next = all_states;
    all_states = s; /* a state that is refused below is freed by drop_state */
    return s;
}

static void drop_state(long long number)
{
    for (State **at = &all_states; *at; at = &(*at)->next) {
        if ((*at)->number != number) continue;
        State *s = *at;
        *at = s->next;
        empty_arena(&s->memory);
        free(s);
        return;
    }
}

/* GROUP-5, but for their number */
static void check_names(const char *state, const Thing *names)
{
    if (names->kind == NOTHING) return;
    if (!is_list(names)) refuse("StructureError", "%s, names: got %s; needs a list of text", state, what_is(names));
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i]->kind != TEXT)
            refuse("StructureError", "%s, names: got %s; needs text", state, what_is(names->items[i]));
    }
    for (size_t i = 0; i < names->count; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(names->items[i]->text, names->items[j]->text))
                refuse("DuplicateError", "%s, names: got '%s' twice; needs distinct names", state, names->items[i]->text);
}

/* GROUP-1, GROUP-2, GROUP-4 */
static void name_parts(State *s, const Thing *names)
{
    const Shape *shape = &s->root->leaf->form.shape;
    if (!shape->axes || !shape->length[shape->axes - 1])
        refuse("ShapeError", "%s: got the shape %s; needs a last axis that has a length, as in (..., n)", state_text(s), shape_text(shape));
    s->parts = shape->length[shape->axes - 1];
    if (names->kind != NOTHING && names->count != s->parts)
        refuse("StructureError", "%s, names: got %zu names; needs %zu", state_text(s), names->count, s->parts);
    s->part_names = get_from(&s->memory, s->parts * sizeof *s->part_names);
    for (size_t i = 0; i < s->parts; i++)
        s->part_names[i] = copy_text(&s->memory, names->kind == NOTHING ? say("%zu", i) : names->items[i]->text);
}

static void call_make(const Thing *args)
{
    const Thing *value = field(args, "value"), *names = field(args, "names"), *name = field(args, "state_name");
    const Thing *history = field(args, "history"), *kind = field(args, "kind");
    State *s = new_state();
    if (name->kind == TEXT) s->name = copy_text(&s->memory, name->text);
    const char *word = kind->kind == TEXT ? kind->text : "?";
    s->kind = !strcmp(word, "tree") ? TREE : !strcmp(word, "group") ? GROUP : SINGLE;
    if (history->kind != INTEGER || history->text[0] == '-') /* HIST-1 */
        refuse("ParameterError", "%s, history: got %s; needs an integer >= 0", state_text(s), what_is(history));
    if (history->huge) out_of_memory();
    s->history = (size_t)history->integer;
    if (s->kind == TREE) {
        if (!is_container(value))
            refuse("StructureError", "%s, path (): got %s; needs a dict, list or tuple", state_text(s), what_is(value));
        check_structure(state_text(s), value, NULL);
        check_leaves(state_text(s), value, NULL);
    } else {
        if (s->kind == GROUP) check_names(state_text(s), names);
        if (value->kind != VALUE)
            refuse("ValueTypeError", "%s: got %s; needs a value, which is an array", state_text(s), what_is(value));
        if (value->array->has_unit && !value->array->unit.known)
            refuse("UnitError", "%s: got the unit %s; needs one of SPEC.md", state_text(s), value->array->unit.name);
    }
    s->root = new_node(s, value);
    if (s->kind == GROUP) name_parts(s, names);
    list_leaves(s);
    put_state(s);
}

/* --- reading --- */

static void put_leaf(const Leaf *leaf)
{
    put_array(leaf->form.has_unit ? leaf->form.unit.name : BARE, leaf->form.dtype, &leaf->form.shape, leaf->data);
}

/* HIST-4 */
static void put_leaf_history(const State *s, const Leaf *leaf)
{
    Shape shape = with_axis(s->history, &leaf->form.shape);
    put_array(leaf->form.has_unit ? leaf->form.unit.name : BARE, leaf->form.dtype, &shape, leaf->history);
}

/* TREE-1; with a state: its history */
static void put_node(const Node *node, const State *of_history)
{
    if (node->kind == VALUE) {
        if (of_history) put_leaf_history(of_history, node->leaf);
        else put_leaf(node->leaf);
        return;
    }
    bool plain = true; /* a dict whose keys an object may have */
    for (size_t i = 0; node->kind == DICT && i < node->count; i++)
        plain = plain && node->keys[i][0] != '$' && strcmp(node->keys[i], "dtype");
    put(node->kind == LIST ? "[" : node->kind == TUPLE ? "{\"$tuple\":[" : plain ? "{" : "{\"$dict\":[");
    for (size_t i = 0; i < node->count; i++) {
        if (i) put(",");
        if (node->kind == DICT) {
            if (!plain) put("[");
            put_text(node->keys[i]);
            put(plain ? ":" : ",");
        }
        put_node(node->items[i], of_history);
        if (node->kind == DICT && !plain) put("]");
    }
    put(node->kind == LIST ? "]" : node->kind == TUPLE ? "]}" : plain ? "}" : "]}");
}

static void call_read(const Thing *args) { put_node(state_of(args)->root, NULL); }

static void call_history(const Thing *args)
{
    const State *s = state_of(args);
    if (!s->history) refuse("HistoryError", "%s, history: got 0 values; needs a state made with a history of at least 1", state_text(s));
    put_node(s->root, s);
}

static void call_kinds(const Thing *args)
{
    static const char *kinds[] = {"[\"single\"]", "[\"single\",\"group\"]", "[\"single\",\"tree\"]"};
    put(kinds[state_of(args)->kind]);
}

static void call_num_state(const Thing *args)
{
    const State *s = state_of(args);
    put_integer(s->kind == GROUP ? (long long)s->parts : s->kind == TREE ? (long long)s->leaves : 1);
}

static Shape part_shape(const State *s)
{
    Shape shape = s->root->leaf->form.shape;
    shape.axes--;
    return shape;
}

/* STATE-2, GROUP-1, TREE-3 */
static void call_varshape(const Thing *args)
{
    const State *s = state_of(args);
    Shape shape = s->kind == GROUP ? part_shape(s) : s->leaf[0]->form.shape;
    for (size_t i = 0; i < s->leaves; i++)
        if (s->kind == TREE && !same_shape(&shape, &s->leaf[i]->form.shape))
            refuse("NoCommonShapeError", "%s, varshape: got leaves of the shapes %s (%s) and %s (%s); needs one shape: ask each leaf for its own",
                   state_text(s), shape_text(&shape), s->leaf[0]->path, shape_text(&s->leaf[i]->form.shape), s->leaf[i]->path);
    put("[");
    for (size_t i = 0; i < shape.axes; i++) { if (i) put(","); put_integer((long long)shape.length[i]); }
    put("]");
}

/* --- addresses --- */

/* What an address leads to, or the error that it is. */
typedef struct { Node *node; size_t part; const char *error, *message; } Found;

static Found not_found(const char *error, const char *message)
{
    Found f = {NULL, 0, error, message};
    return f;
}

static const char *address_text(const Thing *a)
{
    if (a->kind == TEXT) return say("'%s'", a->text);
    if (a->kind == INTEGER) return a->text;
    if (a->kind != TUPLE) return what_is(a);
    const char *text = "(";
    for (size_t i = 0; i < a->count; i++) text = say("%s%s%s", text, i ? ", " : "", address_text(a->items[i]));
    return say(a->count == 1 ? "%s,)" : "%s)", text);
}

/* GROUP-3, TREE-5: i for -n <= i < n */
static bool find_index(const Thing *a, size_t n, size_t *i)
{
    if (a->huge || a->integer < -(long long)n || a->integer >= (long long)n) return false;
    *i = (size_t)(a->integer < 0 ? a->integer + (long long)n : a->integer);
    return true;
}

/* GROUP-3, GROUP-4, GROUP-10 */
static Found find_part(const State *s, const Thing *a)
{
    Found f = {s->root, 0, NULL, NULL};
    const char *got = say("%s, address: got %s", state_text(s), address_text(a)), *names = "";
    if (a->kind == INTEGER) {
        if (find_index(a, s->parts, &f.part)) return f;
        return not_found("StateIndexError", say("%s; needs an index of %zu states", got, s->parts));
    }
    if (a->kind != TEXT) return not_found("AddressTypeError", say("%s; needs an integer or text", got));
    for (f.part = 0; f.part < s->parts; f.part++)
        if (!strcmp(a->text, s->part_names[f.part])) return f;
    for (size_t i = 0; i < s->parts; i++) names = say("%s%s'%s'", names, i ? ", " : "", s->part_names[i]);
    return not_found("StateNameError", say("%s; needs one of the names %s", got, names));
}

static Node *node_of_leaf(Node *node, const Leaf *leaf)
{
    if (node->leaf == leaf) return node;
    for (size_t i = 0; i < node->count; i++) {
        Node *found = node_of_leaf(node->items[i], leaf);
        if (found) return found;
    }
    return NULL;
}

/* the entry at a step of a path, or NULL */
static Node *child_at(const Node *node, const Thing *step)
{
    if (node->kind == DICT) {
        for (size_t i = 0; step->kind == TEXT && i < node->count; i++)
            if (!strcmp(node->keys[i], step->text)) return node->items[i];
        return NULL;
    }
    if (node->kind == VALUE || step->kind != INTEGER || step->huge || step->integer < 0) return NULL;
    return (size_t)step->integer < node->count ? node->items[step->integer] : NULL;
}

/* names that there are: of the leaves, and of the entries of the root */
static const char *tree_names(const State *s)
{
    const char *names = "";
    for (size_t i = 0; i < s->root->count && s->root->kind == DICT; i++) names = say("%s'%s', ", names, s->root->keys[i]);
    for (size_t i = 0; i < s->leaves; i++)
        names = say("%s'%s' at %s%s", names, s->leaf[i]->last, s->leaf[i]->path, i + 1 < s->leaves ? ", " : "");
    return names;
}

/* TREE-6 */
static Found find_path(const State *s, const Thing *a)
{
    Found f = {s->root, 0, NULL, NULL};
    for (size_t i = 0; i < a->count; i++)
        if (a->items[i]->kind != TEXT && a->items[i]->kind != INTEGER)
            return not_found("AddressTypeError", say("%s, address: got %s with the step %s; needs a path of integers and text",
                                                     state_text(s), address_text(a), what_is(a->items[i])));
    for (size_t i = 0; f.node && i < a->count; i++) f.node = child_at(f.node, a->items[i]);
    if (f.node) return f;
    return not_found("StateNameError", say("%s, address: got the path %s; needs one of the names %s", state_text(s), address_text(a), tree_names(s)));
}

/* TREE-7 */
static Found find_name(const State *s, const Thing *a)
{
    Found f = {child_at(s->root, a), 0, NULL, NULL};
    const char *paths = "";
    size_t found = 0;
    if (f.node) return f;
    for (size_t i = 0; i < s->leaves; i++) {
        if (strcmp(s->leaf[i]->last, a->text)) continue;
        f.node = node_of_leaf(s->root, s->leaf[i]);
        paths = say("%s%s%s", paths, found++ ? ", " : "", s->leaf[i]->path);
    }
    if (found == 1) return f;
    if (found) return not_found("StateNameError", say("%s, address: got '%s', which is ambiguous; needs one of the paths %s", state_text(s), a->text, paths));
    return not_found("StateNameError", say("%s, address: got '%s'; needs one of the names %s", state_text(s), a->text, tree_names(s)));
}

static Found find(const State *s, const Thing *a)
{
    if (s->kind == GROUP) return find_part(s, a);
    if (a->kind == TUPLE) return find_path(s, a);
    if (a->kind == TEXT) return find_name(s, a);
    const char *got = say("%s, address: got %s", state_text(s), address_text(a));
    size_t i = 0;
    if (a->kind != INTEGER) return not_found("AddressTypeError", say("%s; needs an integer, text or a tuple of these", got));
    if (!find_index(a, s->leaves, &i)) return not_found("StateIndexError", say("%s; needs an index of %zu leaves", got, s->leaves));
    Found f = {node_of_leaf(s->root, s->leaf[i]), 0, NULL, NULL};
    return f;
}

/* one position of the last axis, to a place of its own */
static unsigned char *part_of(const State *s, size_t part)
{
    const Leaf *leaf = s->root->leaf;
    Shape shape = part_shape(s);
    size_t n = DTYPES[leaf->form.dtype].bytes, count = shape_size(&shape);
    unsigned char *alone = get_many(count, n);
    for (size_t i = 0; i < count; i++) memcpy(alone + i * n, leaf->data + (i * s->parts + part) * n, n);
    return alone;
}

/* and back */
static void write_part(const State *s, size_t part, const unsigned char *alone)
{
    Leaf *leaf = s->root->leaf;
    Shape shape = part_shape(s);
    size_t n = DTYPES[leaf->form.dtype].bytes, count = shape_size(&shape);
    for (size_t i = 0; i < count; i++) memcpy(leaf->data + (i * s->parts + part) * n, alone + i * n, n);
}

static void call_get(const Thing *args)
{
    const State *s = state_of(args);
    if (s->kind == SINGLE) unsupported("addresses of a single state");
    Found f = find(s, field(args, "address"));
    if (f.error) refuse(f.error, "%s", f.message);
    if (s->kind == TREE) { put_node(f.node, NULL); return; }
    const Leaf *leaf = s->root->leaf;
    Shape shape = part_shape(s);
    put_array(leaf->form.has_unit ? leaf->form.unit.name : BARE, leaf->form.dtype, &shape, part_of(s, f.part));
}

/* --- writing --- */

/* One leaf, or one part of a group, and what is to be written there. */
typedef struct Write { struct Write *next; Leaf *leaf; size_t part; const Thing *thing; const unsigned char *bytes; const char *subject; } Write;
typedef struct { Write *first, **end; bool of_parts; } Plan;

static void plan_write(Plan *plan, Leaf *leaf, size_t part, const Thing *thing, const char *subject)
{
    Write *w = get(sizeof *w);
    w->leaf = leaf;
    w->part = part;
    w->thing = thing;
    w->subject = subject;
    if (!plan->first) plan->end = &plan->first;
    *plan->end = w;
    plan->end = &w->next;
}

static const Thing *entry_for(const Thing *dict, const char *key)
{
    for (size_t i = 0; i < dict->count; i++)
        if (dict->keys[i]->kind == TEXT && !strcmp(dict->keys[i]->text, key)) return dict->items[i];
    return NULL;
}

static const char *key_names(const Node *node)
{
    const char *keys = "";
    for (size_t i = 0; i < node->count; i++) keys = say("%s%s'%s'", keys, i ? ", " : "", node->keys[i]);
    return keys;
}

/* a key that the node, a dict, does not have; or one that is missing where all are needed */
static void check_keys(const char *subject, const Node *node, const Thing *t, bool whole)
{
    for (size_t i = 0; whole && i < node->count; i++)
        if (!entry_for(t, node->keys[i]))
            refuse("StructureError", "%s: got no key '%s'; needs the keys %s", subject, node->keys[i], key_names(node));
    for (size_t i = 0; i < t->count; i++)
        if (!child_at(node, t->keys[i]))
            refuse("StructureError", "%s: got the key %s; needs keys of %s", subject, address_text(t->keys[i]), key_names(node));
}

/* TREE-8 (of what is named) and TREE-13 (the whole): fits a thing to a node, leaf by leaf */
static void match(const State *s, Node *node, const Thing *t, const Path *path, bool whole, Plan *plan)
{
    const char *subject = say("%s, path %s", state_text(s), node->leaf ? node->leaf->path : path_text(path));
    if (node->kind == VALUE) {
        if (is_container(t)) refuse("StructureError", "%s: got %s; needs a value, as the tree has a leaf there", subject, what_is(t));
        plan_write(plan, node->leaf, 0, t, say("%s, leaf at path %s", state_text(s), node->leaf->path));
        return;
    }
    bool fits = node->kind == DICT || whole ? t->kind == node->kind : is_list(t);
    if (!fits)
        refuse("StructureError", "%s: got %s; needs a %s of %zu entries", subject, what_is(t),
               node->kind == DICT ? "dict" : node->kind == LIST ? "list" : "tuple", node->count);
    if (node->kind == DICT) check_keys(subject, node, t, whole);
    else if (t->count != node->count)
        refuse("StructureError", "%s: got %zu entries; needs %zu", subject, t->count, node->count);
    for (size_t i = 0; i < node->count; i++) {
        const Thing *entry = node->kind == DICT ? entry_for(t, node->keys[i]) : t->items[i];
        Path here = {path, node->keys[i], i};
        if (entry) match(s, node->items[i], entry, &here, whole, plan);
    }
}

/* GROUP-8, TREE-10: chapters 1 and 2 for each entry, before anything is written (STATE-9) */
static void prepare(const State *s, Plan *plan)
{
    for (Write *w = plan->first; w; w = w->next) {
        Form form = w->leaf->form;
        if (plan->of_parts) form.shape = part_shape(s);
        w->bytes = bytes_for(w->subject, &form, w->thing);
    }
}

/* HIST-3, HIST-5: each successful write adds an entry, of the value before it */
static void record(State *s)
{
    for (size_t i = 0; s->history && i < s->leaves; i++) {
        Leaf *leaf = s->leaf[i];
        memmove(leaf->history, leaf->history + leaf->bytes, (s->history - 1) * leaf->bytes);
        memcpy(leaf->history + (s->history - 1) * leaf->bytes, leaf->data, leaf->bytes);
    }
}

static void carry_out(State *s, const Plan *plan)
{
    if (!plan->first) return;
    record(s);
    for (Write *w = plan->first; w; w = w->next) {
        if (plan->of_parts) write_part(s, w->part, w->bytes);
        else memcpy(w->leaf->data, w->bytes, w->leaf->bytes);
    }
}

static Plan plan_whole(const State *s, const Thing *value)
{
    Plan plan = {NULL, NULL, false};
    if (s->kind == TREE) match(s, s->root, value, NULL, true, &plan);
    else plan_write(&plan, s->root->leaf, 0, value, state_text(s));
    prepare(s, &plan);
    return plan;
}

static void call_write(const Thing *args)
{
    State *s = state_of(args);
    Plan plan = plan_whole(s, field(args, "value"));
    carry_out(s, &plan);
    put("null");
}

/* HIST-6: all are checked, then they are written one after the other */
static void call_write_all(const Thing *args)
{
    State *s = state_of(args);
    const Thing *values = field(args, "values");
    if (!is_list(values)) refuse("StructureError", "%s, values: got %s; needs a list", state_text(s), what_is(values));
    Plan *plans = get_many(values->count, sizeof *plans);
    for (size_t i = 0; i < values->count; i++) plans[i] = plan_whole(s, values->items[i]);
    for (size_t i = 0; i < values->count; i++) carry_out(s, &plans[i]);
    put("null");
}

static const char *part_text(const State *s, size_t i)
{
    return say("%s, state %zu named '%s'", state_text(s), i, s->part_names[i]);
}

/* GROUP-7, TREE-9: all, in order */
static void plan_list(const State *s, const Thing *updates, Plan *plan)
{
    size_t n = s->kind == GROUP ? s->parts : s->leaves;
    if (updates->count != n)
        refuse("StructureError", "%s: got %zu entries; needs %zu", state_text(s), updates->count, n);
    for (size_t i = 0; i < n; i++) {
        if (s->kind == GROUP) plan_write(plan, s->root->leaf, i, updates->items[i], part_text(s, i));
        else match(s, node_of_leaf(s->root, s->leaf[i]), updates->items[i], NULL, false, plan);
    }
}

/* GROUP-6, TREE-8; structure, then addresses, then what is named twice (ERR-3) */
static void plan_mapping(const State *s, const Thing *updates, Plan *plan)
{
    Found *found = get_many(updates->count, sizeof *found);
    for (size_t i = 0; i < updates->count; i++) {
        found[i] = find(s, updates->keys[i]);
        if (found[i].error) continue;
        if (s->kind == GROUP) plan_write(plan, s->root->leaf, found[i].part, updates->items[i], part_text(s, found[i].part));
        else match(s, found[i].node, updates->items[i], NULL, false, plan);
    }
    for (size_t i = 0; i < updates->count; i++)
        if (found[i].error) refuse(found[i].error, "%s", found[i].message);
    for (Write *w = plan->first; w; w = w->next)
        for (Write *v = plan->first; v != w; v = v->next)
            if (v->leaf == w->leaf && v->part == w->part)
                refuse("DuplicateError", "%s: got it named twice; needs it once", w->subject);
}

static void call_set(const Thing *args)
{
    State *s = state_of(args);
    const Thing *updates = field(args, "updates");
    if (s->kind == SINGLE) unsupported("addresses of a single state");
    Plan plan = {NULL, NULL, s->kind == GROUP};
    if (is_list(updates)) plan_list(s, updates, &plan);
    else if (updates->kind == DICT) plan_mapping(s, updates, &plan);
    else refuse("StructureError", "%s, updates: got %s; needs a dict, list or tuple", state_text(s), what_is(updates));
    prepare(s, &plan);
    carry_out(s, &plan);
    put("null");
}

/* TREE-14, TREE-15 */
static void call_add_leaf(const Thing *args)
{
    State *s = state_of(args);
    const Thing *path = field(args, "path"), *value = field(args, "value");
    if (s->kind != TREE) unsupported("leaves that are added to anything but a tree");
    Thing *one = get(sizeof *one);
    one->kind = TUPLE;
    one->count = 1;
    one->items = get(sizeof *one->items);
    one->items[0] = (Thing *)path;
    const Thing *steps = path->kind == TEXT ? one : path;
    if (steps->kind != TUPLE)
        refuse("AddressTypeError", "%s, path: got %s; needs text or a tuple", state_text(s), address_text(path));
    Found f = find_path(s, steps);
    if (f.error && strcmp(f.error, "StateNameError")) refuse(f.error, "%s", f.message);
    if (!f.error) refuse("DuplicateError", "%s: got the path %s, which exists; needs a new one", state_text(s), address_text(path));
    Thing *above = get(sizeof *above);
    *above = *steps;
    above->count--;
    Found parent = find_path(s, above);
    const Thing *key = steps->items[steps->count - 1];
    if (parent.error) refuse(parent.error, "%s", parent.message);
    if (parent.node->kind != DICT || key->kind != TEXT)
        refuse("StructureError", "%s: got the path %s; needs a key in a dict", state_text(s), address_text(path));
    const char *subject = say("%s, path %s", state_text(s), address_text(steps));
    if (is_container(value)) refuse("StructureError", "%s: got %s; needs one leaf", subject, what_is(value));
    if (value->kind != VALUE) refuse("ValueTypeError", "%s: got %s; needs a value, which is an array", subject, what_is(value));
    Node *node = new_node(s, value);
    append_node(s, parent.node, key->text, node);
    list_leaves(s);
    put("null");
}

/* STATE-12, HIST-7 */
static Node *copy_node(State *to, const State *from, const Node *node)
{
    Node *copy = get_from(&to->memory, sizeof *copy);
    copy->kind = node->kind;
    if (node->kind == VALUE) {
        const Leaf *leaf = node->leaf;
        Array a = {leaf->form.has_unit, leaf->form.unit, leaf->form.dtype, leaf->form.shape, shape_size(&leaf->form.shape), leaf->data};
        copy->leaf = new_leaf(to, &a);
        memcpy(copy->leaf->history, leaf->history, from->history * leaf->bytes);
    }
    for (size_t i = 0; i < node->count; i++)
        append_node(to, copy, node->keys[i], copy_node(to, from, node->items[i]));
    return copy;
}

static void call_copy(const Thing *args)
{
    const State *from = state_of(args);
    State *s = new_state();
    s->kind = from->kind;
    s->name = from->name ? copy_text(&s->memory, from->name) : NULL;
    s->history = from->history;
    s->root = copy_node(s, from, from->root);
    s->parts = from->parts;
    s->part_names = get_from(&s->memory, s->parts * sizeof *s->part_names);
    for (size_t i = 0; i < s->parts; i++) s->part_names[i] = copy_text(&s->memory, from->part_names[i]);
    list_leaves(s);
    put_state(s);
}

static void call_free(const Thing *args)
{
    const Thing *states = field(args, "states");
    for (size_t i = 0; i < states->count; i++)
        if (states->items[i]->kind == STATE) drop_state(states->items[i]->integer);
    put("null");
}

/* ================================================================== quantities */

/* The parameters, currents and lengths of steps of chapters 6 to 10: real numbers in a unit of ours. */
typedef struct { Shape shape; size_t size; double *x; } Numbers;

/* GIF-23: type, unit and dtype (ERR-3); unit NULL: bare. A number alone is bare. */
static Numbers numbers_of(const char *subject, const Thing *t, const char *unit)
{
    Unit needed = unit_named(unit ? unit : "");
    const char *need = unit ? say("the unit %s, or one of its dimension", unit) : "no unit";
    Numbers q = {{0, {0}}, 1, NULL};
    if (t->kind == REAL || t->kind == INTEGER) {
        if (unit) refuse("UnitError", "%s: got %s without a unit; needs %s", subject, t->text, need);
        q.x = get_numbers(1);
        q.x[0] = t->real;
        return q;
    }
    if (t->kind != VALUE) refuse("ValueTypeError", "%s: got %s; needs a value with %s", subject, what_is(t), need);
    const Array *a = t->array;
    if (unit ? !a->has_unit || !same_dimension(&a->unit, &needed) : a->has_unit && !same_dimension(&a->unit, &needed))
        refuse("UnitError", "%s: got %s; needs %s", subject, unit_text(a), need);
    if (DTYPES[a->dtype].kind == 'c')
        refuse("DtypeError", "%s: got the dtype %s; needs real numbers, such as float64", subject, DTYPES[a->dtype].word);
    q.shape = a->shape;
    q.size = a->size;
    q.x = get_numbers(a->size);
    for (size_t i = 0; i < a->size; i++) q.x[i] = scaled(number_at(a, i, 0), a->has_unit ? a->unit.ten - needed.ten : 0);
    return q;
}

static bool broadcasts(const Shape *from, const Shape *to)
{
    if (from->axes > to->axes) return false;
    for (size_t i = 1; i <= from->axes; i++) {
        size_t n = from->length[from->axes - i];
        if (n != 1 && n != to->length[to->axes - i]) return false;
    }
    return true;
}

/* the numbers repeated to a shape, which they must broadcast to */
static double *spread(const char *subject, const Numbers *q, const Shape *to)
{
    if (!broadcasts(&q->shape, to))
        refuse("ShapeError", "%s: got the shape %s; needs one that broadcasts to %s", subject, shape_text(&q->shape), shape_text(to));
    size_t n = shape_size(to);
    double *x = get_numbers(n);
    for (size_t i = 0; i < n; i++) {
        size_t rest = i, at = 0, stride = 1;
        for (size_t axis = 1; axis <= q->shape.axes; axis++) {
            size_t length = q->shape.length[q->shape.axes - axis], whole = to->length[to->axes - axis];
            if (length != 1) at += rest % whole * stride;
            stride *= length;
            rest /= whole;
        }
        x[i] = q->x[at];
    }
    return x;
}

/* GIF-19, CABLE-10: the length of a step in ms */
static double read_dt(const Thing *t)
{
    Numbers q = numbers_of("dt", t, "ms");
    if (q.size != 1) refuse("ShapeError", "dt: got the shape %s; needs ()", shape_text(&q.shape));
    if (!(q.x[0] > 0) || !isfinite(q.x[0]))
        refuse("ParameterError", "dt: got %.17g ms; needs a positive, finite time", q.x[0]);
    return q.x[0];
}

/* GIF-21, CABLE-11 */
static void check_input(const char *subject, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) refuse("InputError", "%s: got %g; needs finite numbers", subject, x[i]);
}

static Shape read_size(const char *subject, const Thing *t)
{
    Shape s = {0, {0}};
    if (!is_list(t) || t->count > MAX_AXES - 4) refuse("ParameterError", "%s: got %s; needs a list of integers", subject, what_is(t));
    for (size_t i = 0; i < t->count; i++) {
        const Thing *n = t->items[i];
        if (n->kind != INTEGER || n->huge || n->integer < 0)
            refuse("ParameterError", "%s: got %s; needs integers >= 0", subject, what_is(n));
        s.length[s.axes++] = (size_t)n->integer;
    }
    return s;
}

/* the population's shape, behind the batch axis where there is one */
static Shape with_batch(const Thing *batch, const Shape *size)
{
    if (batch->kind == NOTHING) return *size;
    if (batch->kind != INTEGER || batch->huge || batch->integer < 0)
        refuse("ParameterError", "batch: got %s; needs an integer >= 0", what_is(batch));
    return with_axis((size_t)batch->integer, size);
}

static bool ends_in(const Shape *s, const Shape *end)
{
    if (s->axes < end->axes) return false;
    Shape last = shape_of(end->axes, s->length + (s->axes - end->axes));
    return same_shape(&last, end);
}

/* --- parameters of a model --- */

typedef enum { ANY, POSITIVE, NOT_NEGATIVE } Range;
typedef struct { const char *name, *unit; double standard; Range range; } Parameter;

/* GIF-18, CABLE-10, NET-7: one parameter, spread to a shape */
static double *read_parameter(const Parameter *p, const Thing *given, const Shape *shape)
{
    const char *subject = say("parameter %s", p->name), *unit = p->unit ? p->unit : "";
    Numbers q = {{0, {0}}, 1, NULL};
    if (given->kind == NOTHING) { q.x = get_numbers(1); q.x[0] = p->standard; }
    else q = numbers_of(subject, given, p->unit);
    double *x = spread(subject, &q, shape);
    for (size_t i = 0; i < q.size; i++) {
        double v = q.x[i];
        if (!isfinite(v) || (p->range == POSITIVE && !(v > 0)) || (p->range == NOT_NEGATIVE && v < 0))
            refuse("ParameterError", "%s: got %.17g %s; needs a finite number%s", subject, v, unit,
                   p->range == POSITIVE ? " > 0" : p->range == NOT_NEGATIVE ? " >= 0" : "");
    }
    return x;
}

/* a name that is given and that no parameter has */
static void check_parameter_names(const Parameter *p, size_t n, const Thing *given)
{
    const char *names = "";
    if (given->kind != DICT && given->kind != NOTHING)
        refuse("ParameterError", "parameters: got %s; needs an object of values", what_is(given));
    for (size_t i = 0; i < n; i++) names = say("%s%s%s", names, i ? ", " : "", p[i].name);
    for (size_t i = 0; i < given->count; i++) {
        bool known = false;
        for (size_t j = 0; j < n; j++) known = known || (given->keys[i]->kind == TEXT && !strcmp(p[j].name, given->keys[i]->text));
        if (!known) refuse("ParameterError", "parameter %s: got this name; needs one of %s", address_text(given->keys[i]), names);
    }
}

/* ================================================================== 6 the GIF neuron */

enum { TAU, R, V_REST, V_RESET, V_TH_INF, V_TH_RESET, K1, K2, R1, R2, A1, A2, A, B, GIF_PARAMETERS };

/* GIF-1; R in mV/nA, so that all is in nA, mV and ms */
static const Parameter GIF[GIF_PARAMETERS] = {
    {"tau", "ms", 20, POSITIVE}, {"R", "Mohm", 1e-4, ANY}, {"V_rest", "mV", -70, ANY}, {"V_reset", "mV", -80, ANY},
    {"V_th_inf", "mV", -50, ANY}, {"V_th_reset", "mV", -60, ANY}, {"k1", "ms^-1", 0.1, NOT_NEGATIVE},
    {"k2", "ms^-1", 0.05, NOT_NEGATIVE}, {"R1", NULL, 0.9, ANY}, {"R2", NULL, 0.8, ANY}, {"A1", "nA", 10, ANY},
    {"A2", "nA", 5, ANY}, {"a", "ms^-1", 0.1, ANY}, {"b", "ms^-1", 0.02, NOT_NEGATIVE},
};
static const char *GIF_VARIABLES[4] = {"I1", "I2", "V", "V_th"}, *GIF_UNITS[4] = {"nA", "nA", "mV", "mV"};

/* One neuron: its parameters, and E and e_c of its step. */
typedef struct { double p[GIF_PARAMETERS]; long double E[4][4], c[4]; } Gif;

/* the divided difference (e^x - e^y)/(x - y), e^x where they meet */
static long double difference_1(long double x, long double y)
{
    long double high = x > y ? x : y, low = x > y ? y : x, d = high - low;
    return d > 0 ? expl(high) * -expm1l(-d) / d : expl(high);
}

/* The divided difference of e^x at three points. Where they are close, its series around the lowest,
 * the sum of h_n/(n + 2)!, h_n being the sum of all products of n factors of the distances p and q. */
static long double difference_2(long double x, long double y, long double z)
{
    long double t;
    if (x < y) { t = x; x = y; y = t; }
    if (y < z) { t = y; y = z; z = t; }
    if (x < y) { t = x; x = y; y = t; }
    if (x - z > 1) return (difference_1(x, y) - difference_1(y, z)) / (x - z);
    long double p = x - z, q = y - z, h = 1, q_to_n = 1, factorial = 2, sum = 0.5L;
    for (int n = 1; n < 30; n++) {
        q_to_n *= q;
        h = h * p + q_to_n;
        factorial *= n + 2;
        sum += h / factorial;
    }
    return expl(z) * sum;
}

/* GIF-3 to GIF-6: E = exp(M dt), whose entries are divided differences of the exponential at the rates */
static void exact_step(Gif *g, double dt)
{
    const double *p = g->p;
    long double v = -(long double)dt / p[TAU], th = -(long double)p[B] * dt, in = (long double)p[R] / p[TAU] * dt, to = (long double)p[A] * dt;
    for (int j = 0; j < 2; j++) {
        long double k = -(long double)p[K1 + j] * dt;
        g->E[j][j] = expl(k);
        g->E[2][j] = in * difference_1(k, v);
        g->E[3][j] = in * to * difference_2(k, v, th);
    }
    g->E[2][2] = expl(v);
    g->E[3][2] = to * difference_1(v, th);
    g->E[3][3] = expl(th);
    g->c[2] = in * difference_1(0, v);
    g->c[3] = in * to * difference_2(0, v, th);
}

/* GIF-11: the same form, each variable with the others as they were */
static void exp_euler_step(Gif *g, double dt)
{
    const double *p = g->p;
    long double v = -(long double)dt / p[TAU], th = -(long double)p[B] * dt;
    for (int j = 0; j < 2; j++) {
        g->E[j][j] = expl(-(long double)p[K1 + j] * dt);
        g->E[2][j] = -expm1l(v) * p[R];
    }
    g->E[2][2] = expl(v);
    g->E[3][2] = difference_1(0, th) * dt * p[A];
    g->E[3][3] = expl(th);
    g->c[2] = -expm1l(v) * p[R];
}

/* the integrated values: the first part of a step */
static void gif_integrate(const Gif *g, const double h[4], double current, double to[4])
{
    const double *p = g->p;
    long double u[4] = {h[0], h[1], (long double)h[2] - p[V_REST], (long double)h[3] - p[V_TH_INF]};
    for (int i = 0; i < 4; i++) {
        long double sum = i >= 2 ? g->c[i] * current : 0;
        for (int j = 0; j <= i; j++) if (i != 1 || j == 1) sum += g->E[i][j] * u[j];
        to[i] = kept(sum + (i == 2 ? p[V_REST] : i == 3 ? p[V_TH_INF] : 0));
    }
}

/* GIF-8: the reset map rho */
static void gif_reset(const Gif *g, const double h[4], double to[4])
{
    const double *p = g->p;
    for (int j = 0; j < 2; j++) to[j] = kept((long double)p[R1 + j] * h[j] + p[A1 + j]);
    to[2] = kept(p[V_RESET]);
    to[3] = kept(h[3] > p[V_TH_RESET] ? h[3] : p[V_TH_RESET]);
}

/* one step in place; whether the neuron spikes (GIF-7, GIF-9, GIF-21) */
static bool gif_advance(const Gif *g, double h[4], double current)
{
    double to[4];
    gif_integrate(g, h, current, to);
    if (!isfinite(current)) to[2] = NAN;
    bool spike = to[2] > to[3];
    if (spike) gif_reset(g, to, h);
    else memcpy(h, to, sizeof to);
    return spike;
}

/* The surrogate of a spike: psi(x) = alpha max(0, width - |x|), its argument in units of a scale */
typedef struct { double alpha, width, scale; bool detach; } Surrogate;

static double triangle(const Surrogate *s, double x)
{
    double height = s->width - fabs(x);
    return height > 0 ? s->alpha * height : 0;
}

/* GIF-14 to GIF-17: the derivative of a step, and of its spike */
typedef struct { double state[4][4], current[4], spike_state[4], spike_current; } GifDerivative;

static GifDerivative gif_derivative(const Gif *g, const double h[4], double current, const Surrogate *s)
{
    GifDerivative d;
    double to[4], after[4];
    gif_integrate(g, h, current, to);
    gif_reset(g, to, after);
    bool spike = to[2] > to[3];
    long double slope = triangle(s, (to[2] - to[3]) / s->scale) / (long double)s->scale;
    const double *p = g->p, P[4] = {p[R1], p[R2], 0, to[3] > p[V_TH_RESET]};
    for (int i = 0; i < 4; i++) {
        long double keep = spike ? P[i] : 1, jump = s->detach ? 0 : ((long double)after[i] - to[i]) * slope;
        for (int j = 0; j < 4; j++) d.state[i][j] = (double)(keep * g->E[i][j] + jump * (g->E[2][j] - g->E[3][j]));
        d.current[i] = (double)(keep * g->c[i] + jump * (g->c[2] - g->c[3]));
        d.spike_state[i] = (double)(slope * (g->E[2][i] - g->E[3][i]));
    }
    d.spike_current = (double)(slope * (g->c[2] - g->c[3]));
    return d;
}

/* the parameters of a population, one array for each */
static void read_gif_parameters(const Thing *given, const Shape *size, double *x[GIF_PARAMETERS])
{
    check_parameter_names(GIF, GIF_PARAMETERS, given);
    for (int i = 0; i < GIF_PARAMETERS; i++) x[i] = read_parameter(&GIF[i], field(given, GIF[i].name), size);
}

/* GIF-10: the neurons of a population, each with parameters of its own */
static Gif *gif_neurons(const Thing *parameters, const Shape *size, double dt, bool exact)
{
    double *x[GIF_PARAMETERS];
    read_gif_parameters(parameters, size, x);
    size_t n = shape_size(size);
    Gif *neurons = get_many(n, sizeof *neurons);
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < GIF_PARAMETERS; j++) neurons[i].p[j] = x[j][i];
        if (exact) exact_step(&neurons[i], dt);
        else exp_euler_step(&neurons[i], dt);
    }
    return neurons;
}

static void check_form(const Thing *form)
{
    const char *text = form->kind == TEXT ? form->text : "";
    if (strcmp(text, "states") && strcmp(text, "tree"))
        refuse("ParameterError", "form: got %s; needs 'states' or 'tree'", what_is(form));
}

/* whether the method is the exact one */
static bool read_method(const Thing *method)
{
    const char *text = method->kind == TEXT ? method->text : "";
    if (strcmp(text, "exact") && strcmp(text, "exp_euler"))
        refuse("ParameterError", "method: got %s; needs exact or exp_euler", what_is(method));
    return !strcmp(text, "exact");
}

/* four variables of one shape, which ends in the population's */
static Shape read_gif_state(const Thing *state, const Shape *size, double *h[4])
{
    Shape shape = {0, {0}};
    for (int i = 0; i < 4; i++) {
        const char *subject = say("state %s", GIF_VARIABLES[i]);
        Numbers q = numbers_of(subject, field(state, GIF_VARIABLES[i]), GIF_UNITS[i]);
        if (!i) shape = q.shape;
        if (!same_shape(&q.shape, &shape) || !ends_in(&shape, size))
            refuse("ShapeError", "%s: got the shape %s; needs one that ends in %s, and the same for all four variables",
                   subject, shape_text(&q.shape), shape_text(size));
        h[i] = q.x;
    }
    return shape;
}

static void put_gif_state(Shape shape, double *const h[4])
{
    for (int i = 0; i < 4; i++) {
        put(i ? "," : "{");
        put_text(GIF_VARIABLES[i]);
        put(":");
        put_numbers(GIF_UNITS[i], shape, h[i]);
    }
    put("}");
}

static void call_gif_defaults(const Thing *args)
{
    Shape none = {0, {0}};
    (void)args;
    for (int i = 0; i < GIF_PARAMETERS; i++) {
        double standard = i == R ? 100 : GIF[i].standard;
        put(i ? "," : "{");
        put_text(GIF[i].name);
        put(":");
        put_numbers(i == R ? "ohm" : GIF[i].unit ? GIF[i].unit : BARE, none, &standard);
    }
    put("}");
}

/* GIF-2 */
static void call_gif_initial(const Thing *args)
{
    Shape size = read_size("size", field(args, "size")), shape = with_batch(field(args, "batch"), &size);
    double *x[GIF_PARAMETERS], *h[4];
    check_form(field(args, "form"));
    read_gif_parameters(field(args, "parameters"), &size, x);
    size_t n = shape_size(&shape), neurons = shape_size(&size);
    for (int i = 0; i < 4; i++) h[i] = get_numbers(n);
    for (size_t i = 0; i < n; i++) { h[2][i] = x[V_REST][i % neurons]; h[3][i] = x[V_TH_INF][i % neurons]; }
    put_gif_state(shape, h);
}

/* one step, or a run of T steps with a leading axis */
static void gif_steps(const Thing *args, bool run)
{
    const char *currents = run ? "currents" : "current", *subject = run ? "input current (currents)" : "input current";
    Shape size = read_size("size", field(args, "size"));
    check_form(field(args, "form"));
    bool exact = read_method(field(args, "method"));
    double dt = read_dt(field(args, "dt")), *h[4], *all[4];
    Gif *neurons = gif_neurons(field(args, "parameters"), &size, dt, exact);
    Shape shape = read_gif_state(field(args, "state"), &size, h), whole = shape;
    Numbers q = numbers_of(subject, field(args, currents), "nA");
    size_t steps = 1, n = shape_size(&shape), count = shape_size(&size), each = q.size;
    if (run) {
        if (!q.shape.axes) refuse("ShapeError", "%s: got the shape (); needs a leading axis of time before %s", subject, shape_text(&shape));
        steps = q.shape.length[0];
        q.shape = shape_of(q.shape.axes - 1, q.shape.length + 1);
        each = shape_size(&q.shape);
        whole = with_axis(steps, &shape);
    }
    if (!broadcasts(&q.shape, &shape)) spread(subject, &q, &shape);
    if (!run) check_input(subject, q.x, q.size);
    shape_size(&whole);
    unsigned char *spikes = get_many(steps * n, 1);
    for (int v = 0; v < 4; v++) all[v] = get_numbers(steps * n);
    for (size_t t = 0; t < steps; t++, q.x += each) {
        double *current = spread(subject, &q, &shape);
        for (size_t i = 0; i < n; i++) {
            double u[4] = {h[0][i], h[1][i], h[2][i], h[3][i]};
            spikes[t * n + i] = gif_advance(&neurons[i % count], u, current[i]);
            for (int v = 0; v < 4; v++) all[v][t * n + i] = h[v][i] = u[v];
        }
    }
    put("[");
    put_gif_state(whole, all);
    put(",");
    put_array(NULL, D_B1, &whole, spikes);
    put("]");
}

static void call_gif_step(const Thing *args) { gif_steps(args, false); }
static void call_gif_run(const Thing *args) { gif_steps(args, true); }

static double read_number(const char *subject, const Thing *t)
{
    if (t->kind != REAL && t->kind != INTEGER) refuse("ParameterError", "%s: got %s; needs a number", subject, what_is(t));
    return t->real;
}

/* GIF-14 to GIF-17 */
static void call_gif_jacobian(const Thing *args)
{
    Shape size = read_size("size", field(args, "size"));
    const Thing *scale = field(args, "scale");
    Surrogate s = {read_number("alpha", field(args, "alpha")), read_number("width", field(args, "width")), 20,
                   field(args, "detach_reset")->integer != 0};
    if (scale->kind != NOTHING) {
        Numbers q = numbers_of("scale", scale, "mV");
        if (q.size != 1 || !(q.x[0] > 0)) refuse("ParameterError", "scale: got %s; needs a positive potential", what_is(scale));
        s.scale = q.x[0];
    }
    double dt = read_dt(field(args, "dt")), *h[4];
    Gif *neurons = gif_neurons(field(args, "parameters"), &size, dt, true);
    Shape shape = read_gif_state(field(args, "state"), &size, h), four = with_last_axis(&shape, 4);
    Numbers q = numbers_of("input current", field(args, "current"), "nA");
    double *current = spread("input current", &q, &shape);
    check_input("input current", current, shape_size(&shape));
    size_t n = shape_size(&shape), count = shape_size(&size);
    double *state = get_numbers(16 * n), *by_current = get_numbers(4 * n), *spike_state = get_numbers(4 * n), *spike_current = get_numbers(n);
    for (size_t i = 0; i < n; i++) {
        double u[4] = {h[0][i], h[1][i], h[2][i], h[3][i]};
        GifDerivative d = gif_derivative(&neurons[i % count], u, current[i], &s);
        memcpy(state + 16 * i, d.state, sizeof d.state);
        memcpy(by_current + 4 * i, d.current, sizeof d.current);
        memcpy(spike_state + 4 * i, d.spike_state, sizeof d.spike_state);
        spike_current[i] = d.spike_current;
    }
    put("{\"state\":");
    put_numbers(NULL, with_last_axis(&four, 4), state);
    put(",\"current\":");
    put_numbers(NULL, four, by_current);
    put(",\"spike_state\":");
    put_numbers(NULL, four, spike_state);
    put(",\"spike_current\":");
    put_numbers(NULL, shape, spike_current);
    put("}");
}

/* ================================================================== 7 morphology */

typedef struct {
    const char *name, *subject;
    size_t nseg, points, first;  /* first: its first compartment */
    long double *arc;            /* of each point, in um */
    double *diam;
    double Ra, cm;               /* ohm cm, uF cm^-2 */
    const Thing *parent_name;
    size_t parent;               /* NONE: the root */
    double loc;
} Section;

#define NONE ((size_t)-1)

/* Nodes are the n compartments, then the start of the root, then the end of each section. They are a
 * tree under the start of the root; `up` is the node above and g the conductance to it, in uS. */
typedef struct {
    size_t count, n, nodes;
    Section *sections;
    double *area, *R_left, *R_right, *cm; /* of compartments: um^2, Mohm, uF cm^-2 */
    size_t *up, *order;                   /* order: each node behind the one above it */
    long double *g;
} Cell;

NEVER_RETURNS static void bad_section(const Section *s, const char *what)
{
    refuse("MorphologyError", "%s, %s", s->subject, what);
}

/* numbers of a section that are finite and, but for positions, positive (MORPH-9, MORPH-10) */
static Numbers section_numbers(const Section *s, const Thing *record, const char *key, const char *unit)
{
    const char *subject = say("%s, %s", s->subject, key);
    if (field(record, key)->kind == NOTHING) refuse("UnitError", "%s: got None; needs a value in the unit %s", subject, unit);
    Numbers q = numbers_of(subject, field(record, key), unit);
    for (size_t i = 0; i < q.size; i++)
        if (!isfinite(q.x[i]) || (!(q.x[i] > 0) && strcmp(key, "positions")))
            bad_section(s, say("%s: got %.17g %s; needs finite%s numbers", key, q.x[i], unit, strcmp(key, "positions") ? ", positive" : ""));
    return q;
}

static double section_number(const Section *s, const Thing *record, const char *key, const char *unit)
{
    Numbers q = section_numbers(s, record, key, unit);
    if (q.shape.axes) bad_section(s, say("%s: got the shape %s; needs one number, of shape ()", key, shape_text(&q.shape)));
    return q.x[0];
}

static void read_cylinder(Section *s, const Thing *record)
{
    s->points = 2;
    s->arc = get_many(2, sizeof *s->arc);
    s->diam = get_numbers(2);
    s->arc[1] = section_number(s, record, "length", "um");
    s->diam[0] = s->diam[1] = section_number(s, record, "diam", "um");
}

static void read_points(Section *s, const Thing *record)
{
    Numbers p = section_numbers(s, record, "positions", "um"), d = section_numbers(s, record, "diams", "um");
    if (p.shape.axes != 2 || p.shape.length[1] != 3)
        bad_section(s, say("positions: got the shape %s; needs (m, 3)", shape_text(&p.shape)));
    s->points = p.shape.length[0];
    if (s->points < 2) bad_section(s, say("positions: got %zu points; needs at least 2", s->points));
    if (d.shape.axes != 1 || d.shape.length[0] != s->points)
        bad_section(s, say("diams: got the shape %s; needs (%zu,)", shape_text(&d.shape), s->points));
    s->diam = d.x;
    s->arc = get_many(s->points, sizeof *s->arc);
    for (size_t i = 1; i < s->points; i++) {
        long double x = (long double)p.x[3 * i] - p.x[3 * i - 3], y = (long double)p.x[3 * i + 1] - p.x[3 * i - 2],
                    z = (long double)p.x[3 * i + 2] - p.x[3 * i - 1], l = sqrtl(x * x + y * y + z * z);
        if (!(l > 0)) bad_section(s, say("positions: got the points %zu and %zu at one place; needs them apart", i - 1, i));
        s->arc[i] = s->arc[i - 1] + l;
    }
}

/* MORPH-9 */
static void read_section(Section *s, const Thing *record)
{
    const Thing *nseg = field(record, "nseg"), *loc = field(record, "parent_loc");
    bool cylinder = field(record, "length")->kind != NOTHING, diam = field(record, "diam")->kind != NOTHING;
    bool points = field(record, "positions")->kind != NOTHING, diams = field(record, "diams")->kind != NOTHING;
    if (nseg->kind != INTEGER || nseg->huge || nseg->integer < 1)
        bad_section(s, say("nseg: got %s; needs an integer >= 1", what_is(nseg)));
    s->nseg = (size_t)nseg->integer;
    if (cylinder != diam || points != diams || cylinder == points)
        bad_section(s, say("got%s%s%s%s of the shape; needs length and diam, or positions and diams", cylinder ? " length" : "",
                           diam ? " diam" : "", points ? " positions" : "", diams ? " diams" : ""));
    if (cylinder) read_cylinder(s, record);
    else read_points(s, record);
    s->Ra = section_number(s, record, "Ra", "ohm cm");
    s->cm = section_number(s, record, "cm", "uF cm^-2");
    if (s->parent == NONE) return;
    if ((loc->kind != REAL && loc->kind != INTEGER) || !(loc->real >= 0 && loc->real <= 1))
        bad_section(s, say("parent_loc: got %s; needs a number loc with 0 <= loc <= 1", what_is(loc)));
    s->loc = loc->real;
}

static const char *section_names(const Cell *c)
{
    const char *names = "";
    for (size_t i = 0; i < c->count; i++) names = say("%s%s%s", names, i ? ", " : "", c->sections[i].name);
    return names;
}

static size_t section_named(const Cell *c, const char *name, size_t length)
{
    for (size_t i = 0; i < c->count; i++)
        if (strlen(c->sections[i].name) == length && !strncmp(c->sections[i].name, name, length)) return i;
    return NONE;
}

/* MORPH-8: the names and the tree of sections */
static void connect_sections(Cell *c)
{
    size_t root = NONE;
    for (size_t i = 0; i < c->count; i++) {
        Section *s = &c->sections[i];
        if (section_named(c, s->name, strlen(s->name)) != i) bad_section(s, "name: got it twice; needs it once");
        s->parent = NONE;
        if (s->parent_name->kind == NOTHING) {
            if (root != NONE) bad_section(s, say("parent: got None, as section '%s' has; needs one section without a parent", c->sections[root].name));
            root = i;
            continue;
        }
        if (s->parent_name->kind == TEXT) s->parent = section_named(c, s->parent_name->text, strlen(s->parent_name->text));
        if (s->parent == NONE)
            bad_section(s, say("parent: got %s; needs one of the sections %s", address_text(s->parent_name), section_names(c)));
        if (s->parent == i) bad_section(s, "parent: got the section itself; needs another one");
    }
    for (size_t i = 0; i < c->count; i++) {
        size_t above = i;
        for (size_t steps = 0; above != NONE; steps++, above = c->sections[above].parent)
            if (steps > c->count) bad_section(&c->sections[i], "parent: got a cycle of parents; needs a way to a root");
    }
}

/* MORPH-2 to MORPH-4: a half of a compartment, from arc a to arc b; its area, and its resistance in Mohm */
static void measure_half(const Section *s, long double a, long double b, long double *area, long double *resistance)
{
    *area = *resistance = 0;
    for (size_t i = 0; i + 1 < s->points; i++) {
        long double p = s->arc[i], q = s->arc[i + 1], from = a > p ? a : p, to = b < q ? b : q, l = to - from;
        if (!(l > 0)) continue;
        long double d1 = (s->diam[i] * (q - from) + s->diam[i + 1] * (from - p)) / (q - p);
        long double d2 = (s->diam[i] * (q - to) + s->diam[i + 1] * (to - p)) / (q - p), h = (d2 - d1) / 2;
        *area += PI * (d1 + d2) / 2 * sqrtl(l * l + h * h);
        *resistance += 0.01L * 4 * s->Ra * l / (PI * d1 * d2); /* ohm cm / um = 0.01 Mohm */
    }
}

/* MORPH-1 to MORPH-4, and the last of MORPH-9 */
static void cut_section(Cell *c, const Section *s)
{
    long double length = s->arc[s->points - 1];
    for (size_t k = 0; k < s->nseg; k++) {
        size_t i = s->first + k;
        long double a = length * k / s->nseg, middle = length * (2 * k + 1) / (2 * s->nseg), b = k + 1 == s->nseg ? length : length * (k + 1) / s->nseg;
        long double left, right;
        long double R_left, R_right;
        measure_half(s, a, middle, &left, &R_left);
        measure_half(s, middle, b, &right, &R_right);
        c->area[i] = (double)(left + right);
        c->R_left[i] = (double)R_left;
        c->R_right[i] = (double)R_right;
        c->cm[i] = s->cm;
        const double x[3] = {c->area[i], c->R_left[i], c->R_right[i]};
        for (int j = 0; j < 3; j++)
            if (!(x[j] > 0) || !isfinite(x[j]))
                bad_section(s, say("compartment %zu: got %g as its %s; needs a finite, positive number", k, x[j], j ? "resistance" : "area"));
    }
}

/* MORPH-5: the node at which a section starts */
static size_t start_of(const Cell *c, const Section *s)
{
    while (s->parent != NONE) {
        const Section *parent = &c->sections[s->parent];
        if (s->loc == 1) return c->n + 1 + s->parent;
        if (s->loc > 0) {
            size_t k = (size_t)floor(s->loc * (double)parent->nseg);
            return parent->first + (k < parent->nseg ? k : parent->nseg - 1);
        }
        s = parent;
    }
    return c->n;
}

static void join(Cell *c, size_t node, size_t up, long double resistance)
{
    c->up[node] = up;
    c->g[node] = 1 / resistance;
}

/* MORPH-6: the conductances between nodes */
static void join_section(Cell *c, size_t k)
{
    const Section *s = &c->sections[k];
    size_t last = s->first + s->nseg - 1;
    join(c, s->first, start_of(c, s), c->R_left[s->first]);
    for (size_t i = s->first + 1; i <= last; i++) join(c, i, i - 1, (long double)c->R_right[i - 1] + c->R_left[i]);
    join(c, c->n + 1 + k, last, c->R_right[last]);
}

/* the nodes in an order in which each is behind the one above it: parents before their children */
static void order_nodes(Cell *c)
{
    bool *done = get_many(c->count, sizeof *done);
    size_t filled = 0;
    c->order[filled++] = c->n;
    while (filled < c->nodes) {
        for (size_t k = 0; k < c->count; k++) {
            const Section *s = &c->sections[k];
            if (done[k] || (s->parent != NONE && !done[s->parent])) continue;
            done[k] = true;
            for (size_t i = 0; i < s->nseg; i++) c->order[filled++] = s->first + i;
            c->order[filled++] = c->n + 1 + k;
        }
    }
}

/* MORPH-1 to MORPH-6, of sections that are read and connected */
static void cut_and_join(Cell *c)
{
    for (size_t i = 0; i < c->count; i++) {
        c->sections[i].first = c->n;
        if (c->sections[i].nseg > 100000000 - c->n) out_of_memory();
        c->n += c->sections[i].nseg;
    }
    c->nodes = c->n + 1 + c->count;
    c->area = get_numbers(c->n);
    c->R_left = get_numbers(c->n);
    c->R_right = get_numbers(c->n);
    c->cm = get_numbers(c->n);
    c->up = get_many(c->nodes, sizeof *c->up);
    c->order = get_many(c->nodes, sizeof *c->order);
    c->g = get_many(c->nodes, sizeof *c->g);
    c->up[c->n] = NONE;
    for (size_t i = 0; i < c->count; i++) cut_section(c, &c->sections[i]);
    for (size_t i = 0; i < c->count; i++) join_section(c, i);
    order_nodes(c);
}

static Cell *read_cell(const Thing *records)
{
    Cell *c = get(sizeof *c);
    if (!is_list(records)) refuse("MorphologyError", "sections: got %s; needs a list of sections", what_is(records));
    if (!records->count) refuse("MorphologyError", "sections: got 0 sections; needs at least 1 section");
    c->count = records->count;
    c->sections = get_many(c->count, sizeof *c->sections);
    for (size_t i = 0; i < c->count; i++) {
        const Thing *name = field(records->items[i], "name");
        c->sections[i].name = name->kind == TEXT ? name->text : say("%zu", i);
        c->sections[i].subject = say("section '%s'", c->sections[i].name);
        c->sections[i].parent_name = field(records->items[i], "parent");
        if (name->kind != TEXT) bad_section(&c->sections[i], say("name: got %s; needs text", what_is(name)));
    }
    connect_sections(c);
    for (size_t i = 0; i < c->count; i++) read_section(&c->sections[i], records->items[i]);
    cut_and_join(c);
    return c;
}

/* MORPH-6: what is left between two compartments when the junctions are eliminated. Neighbours of a
 * junction are compartments alone: those below it, and the one above it; g_a g_b / (sum of g) is left. */
static double *couplings(const Cell *c)
{
    double *coupling = get_numbers(c->n * c->n);
    size_t *near = get_many(c->nodes, sizeof *near);
    long double *g = get_many(c->nodes, sizeof *g);
    for (size_t i = 0; i < c->n; i++) {
        if (c->up[i] >= c->n) continue;
        coupling[i * c->n + c->up[i]] += (double)c->g[i];
        coupling[c->up[i] * c->n + i] += (double)c->g[i];
    }
    for (size_t junction = c->n; junction < c->nodes; junction++) {
        size_t count = 0;
        long double sum = 0;
        if (c->up[junction] != NONE) { near[count] = c->up[junction]; g[count++] = c->g[junction]; }
        for (size_t i = 0; i < c->n; i++) if (c->up[i] == junction) { near[count] = i; g[count++] = c->g[i]; }
        for (size_t a = 0; a < count; a++) sum += g[a];
        for (size_t a = 0; a < count; a++)
            for (size_t b = 0; b < count; b++)
                if (a != b) coupling[near[a] * c->n + near[b]] += (double)(g[a] * g[b] / sum);
    }
    return coupling;
}

static void call_morphology(const Thing *args)
{
    const Cell *c = read_cell(field(args, "sections"));
    int asked = precision;
    precision = 64; /* geometry is answered as it is computed */
    put("{\"area\":");
    put_numbers("um^2", SHAPE(c->n), c->area);
    put(",\"R_left\":");
    put_numbers("Mohm", SHAPE(c->n), c->R_left);
    put(",\"R_right\":");
    put_numbers("Mohm", SHAPE(c->n), c->R_right);
    put(",\"coupling\":");
    put_numbers("uS", SHAPE(c->n, c->n), couplings(c));
    put("}");
    precision = asked;
}

/* a decimal number that fills the text up to the end */
static bool read_decimal(const char *text, const char *end, double *to)
{
    char *stop;
    if (text == end || text + strspn(text, "+-.0123456789eE") != end) return false;
    *to = strtod(text, &stop);
    return stop == end;
}

/* MORPH-7, MORPH-11 */
static size_t site_of(const Cell *c, const Thing *site)
{
    const char *got = say("site: got %s; needs \"name(loc)\"", address_text(site));
    const char *open = site->kind == TEXT ? strrchr(site->text, '(') : NULL;
    const char *close = open ? strchr(open, ')') : NULL;
    double loc;
    if (!close || close[1] || !read_decimal(open + 1, close, &loc))
        refuse("StateNameError", "%s, with one of the sections %s", got, section_names(c));
    size_t k = section_named(c, site->text, (size_t)(open - site->text));
    if (k == NONE) refuse("StateNameError", "%s, with one of the sections %s", got, section_names(c));
    if (!(loc >= 0 && loc <= 1)) refuse("StateNameError", "%s with 0 <= loc <= 1 and one of the sections %s", got, section_names(c));
    const Section *s = &c->sections[k];
    size_t i = (size_t)floor(loc * (double)s->nseg);
    return s->first + (i < s->nseg ? i : s->nseg - 1);
}

static void call_site(const Thing *args)
{
    put_integer((long long)site_of(read_cell(field(args, "sections")), field(args, "site")));
}

/* ================================================================== 8 the passive cable */

enum { CABLE_G, CABLE_E, CABLE_V0, CABLE_PARAMETERS };
static const Parameter CABLE[CABLE_PARAMETERS] = {
    {"g", "S cm^-2", 1e-4, NOT_NEGATIVE}, {"E", "mV", -70, ANY}, {"V0", "mV", -65, ANY},
};

/* C/dt and G of a compartment, in uS (nF/ms); areas in um^2 */
static long double capacitance(const Cell *c, size_t i, double dt) { return 1e-5L * c->cm[i] * c->area[i] / dt; }
static long double leak(const Cell *c, size_t i, double g) { return 1e-2L * g * c->area[i]; }

/* CABLE-2: M V' = r, node by node from the tips to the root and back. e is what the diagonal of M has
 * beyond the conductances to neighbours; nothing is subtracted. e and r have an entry for each node. */
static void solve_cable(const Cell *c, long double *e, long double *r, long double *V)
{
    for (size_t k = c->nodes; k-- > 1;) {
        size_t i = c->order[k];
        long double share = c->g[i] / (c->g[i] + e[i]);
        e[c->up[i]] += share * e[i];
        r[c->up[i]] += share * r[i];
    }
    V[c->n] = r[c->n] / e[c->n];
    for (size_t k = 1; k < c->nodes; k++) {
        size_t i = c->order[k];
        V[i] = (r[i] + c->g[i] * V[c->up[i]]) / (e[i] + c->g[i]);
    }
}

/* one step of one neuron (CABLE-2, CABLE-6, CABLE-7), in place; work has three entries for each node */
static void cable_advance(const Cell *c, const double *g, const double *E, double *V, const double *current, double dt, long double *work)
{
    long double *e = work, *r = work + c->nodes, *next = work + 2 * c->nodes;
    bool finite = true;
    memset(work, 0, 2 * c->nodes * sizeof *work);
    for (size_t i = 0; i < c->n; i++) {
        long double C = capacitance(c, i, dt), G = leak(c, i, g[i]);
        e[i] = C + G;
        r[i] = C * V[i] + G * E[i] + current[i];
        finite = finite && isfinite(current[i]);
    }
    solve_cable(c, e, r, next);
    for (size_t i = 0; i < c->n; i++) V[i] = finite ? kept(next[i]) : NAN; /* CABLE-11 */
}

/* CABLE-9: rows and columns of M^-1 diag(C/dt) and of M^-1 */
static void cable_derivative(const Cell *c, const double *g, double dt, double *state, double *current)
{
    long double *work = get_many(3 * c->nodes, sizeof *work), *e = work, *r = work + c->nodes, *V = work + 2 * c->nodes;
    for (size_t j = 0; j < c->n; j++) {
        memset(work, 0, 2 * c->nodes * sizeof *work);
        for (size_t i = 0; i < c->n; i++) e[i] = capacitance(c, i, dt) + leak(c, i, g[i]);
        r[j] = 1;
        solve_cable(c, e, r, V);
        for (size_t i = 0; i < c->n; i++) {
            current[i * c->n + j] = (double)V[i];
            state[i * c->n + j] = (double)(V[i] * capacitance(c, j, dt));
        }
    }
}

static void read_cable_parameters(const Thing *given, const Shape *shape, double *x[CABLE_PARAMETERS])
{
    check_parameter_names(CABLE, CABLE_PARAMETERS, given);
    for (int i = 0; i < CABLE_PARAMETERS; i++) x[i] = read_parameter(&CABLE[i], field(given, CABLE[i].name), shape);
}

/* CABLE-1 */
static void call_cable_initial(const Thing *args)
{
    Shape size = read_size("size", field(args, "size")), varshape = with_batch(field(args, "batch"), &size);
    const Cell *c = read_cell(field(args, "sections"));
    Shape one = with_last_axis(&size, c->n), whole = with_last_axis(&varshape, c->n);
    double *x[CABLE_PARAMETERS];
    read_cable_parameters(field(args, "parameters"), &one, x);
    size_t n = shape_size(&whole), each = shape_size(&one);
    double *V = get_numbers(n);
    for (size_t i = 0; i < n; i++) V[i] = x[CABLE_V0][i % each];
    put("[");
    put_numbers("mV", whole, V);
    put(",");
    put_integer((long long)c->n);
    put(",[");
    for (size_t i = 0; i < varshape.axes; i++) { if (i) put(","); put_integer((long long)varshape.length[i]); }
    put("]]");
}

/* CABLE-5: a current for each compartment, or for sites */
static double *read_current(const Cell *c, const Thing *t, const Shape *shape)
{
    if (t->kind != DICT) {
        Numbers q = numbers_of("input current", t, "nA");
        check_input("input current", q.x, q.size);
        return spread("input current", &q, shape);
    }
    Shape varshape = shape_of(shape->axes - 1, shape->length);
    double *current = get_numbers(shape_size(shape));
    size_t *sites = get_many(t->count, sizeof *sites);
    for (size_t s = 0; s < t->count; s++) sites[s] = site_of(c, t->keys[s]);
    for (size_t s = 0; s < t->count; s++) {
        const char *subject = say("input current at %s", t->keys[s]->text);
        Numbers q = numbers_of(subject, t->items[s], "nA");
        double *x = spread(subject, &q, &varshape);
        check_input(subject, q.x, q.size);
        for (size_t i = 0; i < shape_size(&varshape); i++) current[i * c->n + sites[s]] += x[i];
    }
    return current;
}

/* the arguments that a step and a run share */
typedef struct { Cell *cell; double *x[CABLE_PARAMETERS], dt, *V; Shape shape; size_t neurons, population; long double *work; } Cable;

static Cable read_cable(const Thing *args)
{
    Cable m;
    Shape size = read_size("size", field(args, "size"));
    m.cell = read_cell(field(args, "sections"));
    Shape one = with_last_axis(&size, m.cell->n);
    read_cable_parameters(field(args, "parameters"), &one, m.x);
    m.dt = read_dt(field(args, "dt"));
    Numbers V = numbers_of("V", field(args, "V"), "mV");
    if (!ends_in(&V.shape, &one))
        refuse("ShapeError", "V: got the shape %s; needs one that ends in %s", shape_text(&V.shape), shape_text(&one));
    m.V = V.x;
    m.shape = V.shape;
    m.neurons = V.size / m.cell->n;
    m.population = shape_size(&size);
    m.work = get_many(3 * m.cell->nodes, sizeof *m.work);
    return m;
}

static void advance_all(const Cable *m, const double *current)
{
    size_t n = m->cell->n;
    for (size_t i = 0; i < m->neurons; i++) {
        size_t own = i % m->population * n;
        cable_advance(m->cell, m->x[CABLE_G] + own, m->x[CABLE_E] + own, m->V + i * n, current + i * n, m->dt, m->work);
    }
}

static void call_cable_step(const Thing *args)
{
    Cable m = read_cable(args);
    advance_all(&m, read_current(m.cell, field(args, "current"), &m.shape));
    put_numbers("mV", m.shape, m.V);
}

static void call_cable_run(const Thing *args)
{
    Cable m = read_cable(args);
    Numbers q = numbers_of("input current (currents)", field(args, "currents"), "nA");
    if (!q.shape.axes) refuse("ShapeError", "input current (currents): got the shape (); needs a leading axis of time");
    size_t steps = q.shape.length[0], n = shape_size(&m.shape);
    Shape whole = with_axis(steps, &m.shape);
    q.shape = shape_of(q.shape.axes - 1, q.shape.length + 1);
    size_t each = shape_size(&q.shape);
    if (!steps) spread("input current (currents)", &q, &m.shape);
    shape_size(&whole);
    double *all = get_numbers(steps * n);
    for (size_t t = 0; t < steps; t++, q.x += each) {
        advance_all(&m, spread("input current (currents)", &q, &m.shape));
        memcpy(all + t * n, m.V, n * sizeof *all);
    }
    put_numbers("mV", whole, all);
}

static void call_cable_jacobian(const Thing *args)
{
    const Cell *c = read_cell(field(args, "sections"));
    Shape shape = SHAPE(c->n);
    double *x[CABLE_PARAMETERS], dt, *state = get_numbers(c->n * c->n), *current = get_numbers(c->n * c->n);
    read_cable_parameters(field(args, "parameters"), &shape, x);
    dt = read_dt(field(args, "dt"));
    cable_derivative(c, x[CABLE_G], dt, state, current);
    put("{\"state\":");
    put_numbers(NULL, SHAPE(c->n, c->n), state);
    put(",\"current\":");
    put_numbers(NULL, SHAPE(c->n, c->n), current);
    put("}");
}

/* ================================================================== 9 and 10 networks: neurons */

enum { LEAKY, LRU, LIF, ALIF, SYNAPSE_LIF, GIF_STATES, GIF_TREE, CABLE_CELL, KINDS };
enum { N_TAU, N_OMEGA, N_R, N_V_TH, N_V_RESET, N_V_REST, N_TAU_A, N_BETA, N_TAU_S, NEURON_PARAMETERS };
#define MOST 8 /* variables of a neuron, at most: 6 compartments and r */

static const Parameter NEURON[NEURON_PARAMETERS] = {
    {"tau", "ms", 5, POSITIVE}, {"omega", "ms^-1", 0.5, ANY}, {"R", "ohm", 1, ANY}, {"V_th", "mV", 1, ANY},
    {"V_reset", "mV", 0, ANY}, {"V_rest", "mV", 0, ANY}, {"tau_a", "ms", 100, POSITIVE}, {"beta", "mV", 0.1, ANY},
    {"tau_s", "ms", 10, POSITIVE},
};

/* the kinds: their variables, and the parameters of NEURON that they have */
static const struct { const char *name; size_t variables; const char *parameters; } KIND[KINDS] = {
    {"leaky", 1, "t"}, {"LRU", 2, "tw"}, {"LIF", 1, "tRhrv"}, {"ALIF", 2, "tRhrvab"}, {"synapse_LIF", 2, "tRhrvs"},
    {"GIF", 4, ""}, {"GIFTree", 4, ""}, {"cable", 6, ""},
};
static const char PARAMETER_LETTERS[] = "twRhrvabs";

static const Surrogate NEURON_SURROGATE = {0.3, 1, 20, false};

typedef struct {
    int kind;
    double dt, p[NEURON_PARAMETERS];
    Gif gif;
    const Cell *cell;
    double g[6], E[6], V0[6], cable_state[36], cable_current[36]; /* of a cable */
} Neuron;

/* TRACE-2 for one neuron and one step: D, F; and the emission s with S = ds/dh(t-1), q = ds/dy */
typedef struct { double D[MOST][MOST], F[MOST], S[MOST], q, s; } Local;

/* z = Theta(x) for a potential over a threshold, in units of V_th - V_reset; *slope is dz/d(V - V_th) */
static double spike(const Neuron *m, double V, double V_th, double *slope)
{
    double scale = m->p[N_V_TH] - m->p[N_V_RESET], x = (V - V_th) / scale;
    *slope = triangle(&NEURON_SURROGATE, x) / scale;
    return x >= 0;
}

/* the emission of a state, and its derivative; of the kinds that have one (not GIF) */
static double emission(const Neuron *m, const double *h, double *by_h)
{
    double s, slope;
    memset(by_h, 0, MOST * sizeof *by_h);
    switch (m->kind) {
    case LEAKY: case LRU: by_h[0] = 1; return h[0];
    case LIF: s = spike(m, h[0], m->p[N_V_TH], &slope); by_h[0] = slope; return s;
    case ALIF:
        s = spike(m, h[0], m->p[N_V_TH] + m->p[N_BETA] * h[1], &slope);
        by_h[0] = slope;
        by_h[1] = -slope * m->p[N_BETA];
        return s;
    case SYNAPSE_LIF: s = spike(m, h[1], m->p[N_V_TH], &slope); by_h[1] = slope; return s;
    default: by_h[0] = 0.1; return (h[0] - m->E[0]) / 10; /* the cable, at its soma */
    }
}

/* V' of the LIF kinds under the drive R y, and its derivatives by V and by the adaptation A */
static double membrane(const Neuron *m, double V, double V_th, double drive, double *by_V, double *by_V_th, double *z)
{
    double a = exp(-m->dt / m->p[N_TAU]), height = m->p[N_V_TH] - m->p[N_V_RESET], slope, rest = m->p[N_V_REST];
    *z = spike(m, V, V_th, &slope);
    *by_V = a * (1 - height * slope);
    *by_V_th = a * height * slope;
    return rest + a * (V - height * *z - rest) - expm1(-m->dt / m->p[N_TAU]) * m->p[N_R] * drive;
}

static void step_lru(const Neuron *m, double *h, double y, Local *l)
{
    double a = exp(-m->dt / m->p[N_TAU]), c = a * cos(m->p[N_OMEGA] * m->dt), s = a * sin(m->p[N_OMEGA] * m->dt), re = h[0];
    h[0] = c * re - s * h[1] + y;
    h[1] = s * re + c * h[1];
    l->D[0][0] = l->D[1][1] = c;
    l->D[0][1] = -s;
    l->D[1][0] = s;
    l->F[0] = 1;
}

static void step_lif(const Neuron *m, double *h, double y, Local *l)
{
    double unused, z;
    h[0] = membrane(m, h[0], m->p[N_V_TH], y, &l->D[0][0], &unused, &z);
    l->F[0] = -expm1(-m->dt / m->p[N_TAU]) * m->p[N_R];
}

static void step_alif(const Neuron *m, double *h, double y, Local *l)
{
    double rho = exp(-m->dt / m->p[N_TAU_A]), beta = m->p[N_BETA], V_th = m->p[N_V_TH] + beta * h[1], by_V_th, z, slope;
    spike(m, h[0], V_th, &slope);
    h[0] = membrane(m, h[0], V_th, y, &l->D[0][0], &by_V_th, &z);
    h[1] = rho * (h[1] + z);
    l->D[0][1] = beta * by_V_th;
    l->D[1][0] = rho * slope;
    l->D[1][1] = rho * (1 - beta * slope);
    l->F[0] = -expm1(-m->dt / m->p[N_TAU]) * m->p[N_R];
}

static void step_synapse_lif(const Neuron *m, double *h, double y, Local *l)
{
    double decay = exp(-m->dt / m->p[N_TAU_S]), gain = -expm1(-m->dt / m->p[N_TAU]) * m->p[N_R], unused, z;
    h[0] = decay * h[0] + y;
    h[1] = membrane(m, h[1], m->p[N_V_TH], h[0], &l->D[1][1], &unused, &z);
    l->D[0][0] = decay;
    l->D[1][0] = gain * decay;
    l->F[0] = 1;
    l->F[1] = gain;
}

static void step_gif(const Neuron *m, double *h, double y, Local *l)
{
    GifDerivative d = gif_derivative(&m->gif, h, y, &NEURON_SURROGATE);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) l->D[i][j] = d.state[i][j];
        l->F[i] = d.current[i];
        l->S[i] = d.spike_state[i];
    }
    l->q = d.spike_current;
    l->s = gif_advance(&m->gif, h, y);
}

static void step_cable(const Neuron *m, double *h, double y, Local *l)
{
    double current[6] = {y, 0, 0, 0, 0, 0};
    long double work[3 * 10];
    cable_advance(m->cell, m->g, m->E, h, current, m->dt, work);
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) l->D[i][j] = m->cable_state[6 * i + j];
        l->F[i] = m->cable_current[6 * i];
    }
}

/* NET-1: one step of one neuron in place, with its derivatives */
static void step_neuron(const Neuron *m, double *h, double y, Local *l)
{
    double by_h[MOST];
    size_t d = KIND[m->kind].variables;
    memset(l, 0, sizeof *l);
    switch (m->kind) {
    case LEAKY: l->D[0][0] = exp(-m->dt / m->p[N_TAU]); h[0] = l->D[0][0] * h[0] + y; l->F[0] = 1; break;
    case LRU: step_lru(m, h, y, l); break;
    case LIF: step_lif(m, h, y, l); break;
    case ALIF: step_alif(m, h, y, l); break;
    case SYNAPSE_LIF: step_synapse_lif(m, h, y, l); break;
    case CABLE_CELL: step_cable(m, h, y, l); break;
    default: step_gif(m, h, y, l); return;
    }
    l->s = emission(m, h, by_h);
    for (size_t i = 0; i < d; i++) {
        l->q += by_h[i] * l->F[i];
        for (size_t j = 0; j < d; j++) l->S[j] += by_h[i] * l->D[i][j];
    }
}

static void initial_neuron(const Neuron *m, double *h)
{
    memset(h, 0, KIND[m->kind].variables * sizeof *h);
    if (m->kind == CABLE_CELL) memcpy(h, m->V0, sizeof m->V0);
    if (m->kind == GIF_STATES || m->kind == GIF_TREE) { h[2] = m->gif.p[V_REST]; h[3] = m->gif.p[V_TH_INF]; }
}

/* the three-section cell of CABLE-8 */
static Cell *three_sections(void)
{
    static const struct { const char *name; size_t nseg, points; double length, diam[3]; } parts[3] = {
        {"soma", 1, 2, 20, {10, 10, 0}}, {"axon", 2, 2, 100, {1, 1, 0}}, {"dendrite", 3, 3, 200, {2, 3, 2}},
    };
    Cell *c = get(sizeof *c);
    c->count = 3;
    c->sections = get_many(3, sizeof *c->sections);
    for (size_t k = 0; k < 3; k++) {
        Section *s = &c->sections[k];
        s->name = s->subject = parts[k].name;
        s->nseg = parts[k].nseg;
        s->points = parts[k].points;
        s->arc = get_many(s->points, sizeof *s->arc);
        s->diam = get_numbers(s->points);
        for (size_t i = 0; i < s->points; i++) {
            s->arc[i] = parts[k].length * i / (s->points - 1);
            s->diam[i] = parts[k].diam[i];
        }
        s->Ra = 100;
        s->cm = 1;
        s->parent = k ? 0 : NONE;
        s->loc = 1;
    }
    cut_and_join(c);
    return c;
}

/* the N neurons of a layer; their parameters are of shape () or (N) */
static Neuron *read_neurons(int kind, size_t N, const Thing *given, double dt)
{
    Neuron *neurons = get_many(N, sizeof *neurons);
    Shape shape = SHAPE(N);
    Parameter own[NEURON_PARAMETERS];
    size_t at[NEURON_PARAMETERS], count = 0;
    for (size_t i = 0; i < NEURON_PARAMETERS; i++)
        if (strchr(KIND[kind].parameters, PARAMETER_LETTERS[i])) { at[count] = i; own[count++] = NEURON[i]; }
    if (kind == GIF_STATES || kind == GIF_TREE) {
        Gif *gif = gif_neurons(given, &shape, dt, true);
        for (size_t n = 0; n < N; n++) neurons[n].gif = gif[n];
    } else if (kind == CABLE_CELL) {
        double *x[CABLE_PARAMETERS];
        Cell *cell = three_sections();
        read_cable_parameters(given, &shape, x);
        for (size_t n = 0; n < N; n++) {
            Neuron *m = &neurons[n];
            m->cell = cell;
            for (int i = 0; i < 6; i++) { m->g[i] = x[CABLE_G][n]; m->E[i] = x[CABLE_E][n]; m->V0[i] = x[CABLE_V0][n]; }
            cable_derivative(cell, m->g, dt, m->cable_state, m->cable_current);
        }
    } else {
        check_parameter_names(own, count, given);
        for (size_t i = 0; i < count; i++) {
            double *x = read_parameter(&own[i], field(given, own[i].name), &shape);
            for (size_t n = 0; n < N; n++) neurons[n].p[at[i]] = x[n];
        }
    }
    for (size_t n = 0; n < N; n++) { neurons[n].kind = kind; neurons[n].dt = dt; }
    return neurons;
}

/* ================================================================== networks: parameters and operations */

/* An entry (chapter 9): the weight p and the neuron n that it reaches through the element k of z. */
typedef struct { size_t k, n, p; } Entry;

typedef struct Param {
    struct Param *next;
    const char *name;       /* "0.weight" */
    size_t layer;
    Shape shape;
    size_t size;
    double *w, *mask, *W;   /* W: the effective weight */
    char function;          /* phi: i, s or a */
    double *gradient;       /* of the effective weight; of a chunk or a run */
    /* with a trace: */
    size_t E;
    Entry *entries;
    size_t K;               /* elements of z, for an entry of the batch */
    double *z;              /* NULL: 1 */
    double *times;          /* an element-wise weight is multiplied by this, (B, N); else NULL */
    struct Param *through;  /* of B of a low-rank operation: A; else NULL */
    Shape trace_shape;      /* of the entries */
    bool two_traces;        /* ES-D-RTRL */
    double *eps, *bar, *eps_x, *eps_f;
    double *tangent;        /* of RTRL and OSTL, whose gradient is of w itself: */
    bool pulled_back;
} Param;

typedef struct {
    int kind;
    size_t K, N, d, own, R, channels; /* own: variables without r; channels: C' of a convolution */
    Neuron *neurons;
    Param *weight, *factor, *bias, *recurrent;
    bool element_wise, embedding, leaky;
    double scale, *lateral;
    double *x, *scaled_x, *middle, *old, *h, *s; /* z of the operations; state and emission */
    double *y, *signal, *c, *lambda;              /* signal: dL/ds */
    Local *local;
} Layer;

typedef enum { NO_RULE, D_RTRL, ES_D_RTRL, HYBRID, E_PROP, RTRL, OSTL, THREE_FACTOR } RuleName;
static const char *RULES[] = {"none", "D-RTRL", "ES-D-RTRL", "hybrid", "e-prop", "RTRL", "OSTL", "three-factor"};
typedef struct { RuleName name; double decay_x, decay_f, kappa; const Thing *choices; enum { SYMMETRIC, RANDOM, ADAPTIVE } feedback; } Rule;

typedef struct {
    size_t T, B, K, M, count, since; /* since: steps since traces were zero */
    Layer *layers, *last;
    Param *traced, *plain;           /* lists */
    Param *readout, *readout_bias, *feedback, *skip;
    size_t states;                   /* of an entry of the batch, as RTRL counts them */
    double *work, output_decay, readout_decay, *inputs, dt;
    double *out, *delta;
    double *hidden[64], *emitted[64], *outputs; /* what a run was */
    Rule rule;
} Network;

static void refresh(Param *p)
{
    for (size_t i = 0; i < p->size; i++) {
        double w = p->w[i];
        p->W[i] = (p->function == 's' ? w * w : p->function == 'a' ? fabs(w) : w) * (p->mask ? p->mask[i] : 1);
    }
}

static const char *field_text(size_t layer, const char *key) { return say("layer %zu, %s", layer, key); }

static Param *new_param(const char *name, size_t layer, Numbers q)
{
    Param *p = get(sizeof *p);
    p->name = name;
    p->layer = layer;
    p->shape = p->trace_shape = q.shape;
    p->size = q.size;
    p->w = q.x;
    p->W = get_numbers(q.size);
    p->gradient = get_numbers(q.size);
    p->K = 1;
    refresh(p);
    return p;
}

static void append_param(Param **list, Param *p)
{
    while (*list) list = &(*list)->next;
    *list = p;
}

/* an array of a record that must have a shape */
static Numbers array_of(const char *subject, const Thing *t, const Shape *shape)
{
    Numbers q = numbers_of(subject, t, NULL);
    if (shape && !same_shape(&q.shape, shape))
        refuse("ShapeError", "%s: got the shape %s; needs %s", subject, shape_text(&q.shape), shape_text(shape));
    return q;
}

static void need_axes(const char *subject, const Shape *s, size_t axes, const char *needed)
{
    if (s->axes != axes) refuse("ShapeError", "%s: got the shape %s; needs %s", subject, shape_text(s), needed);
    for (size_t i = 0; i < axes; i++)
        if (!s->length[i]) refuse("ShapeError", "%s: got the shape %s; needs %s without an axis of length 0", subject, shape_text(s), needed);
}

static void new_entries(Param *p, size_t E) { p->E = E; p->entries = get_many(E, sizeof *p->entries); }

/* each k with each n: dense operations, embeddings, A, U */
static void dense_entries(Param *p, size_t K, size_t N)
{
    new_entries(p, K * N);
    p->K = K;
    for (size_t e = 0; e < p->E; e++) { Entry entry = {e / N, e % N, e}; p->entries[e] = entry; }
}

/* an entry for each neuron: biases and element-wise weights, shared or not (OP-14); one for each channel (OP-2) */
static void neuron_entries(Param *p, size_t N)
{
    new_entries(p, N);
    p->trace_shape = SHAPE(N);
    for (size_t n = 0; n < N; n++) { Entry entry = {0, n, n % p->size}; p->entries[n] = entry; }
}

/* integers of an operation, each at least `least` (OP-12) */
static size_t *read_integers(const char *subject, const Thing *t, size_t *count, long long least)
{
    if (!is_list(t)) refuse("ParameterError", "%s: got %s; needs a list of integers", subject, what_is(t));
    size_t *to = get_many(t->count, sizeof *to);
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i]->kind != INTEGER || t->items[i]->huge || t->items[i]->integer < least)
            refuse("ParameterError", "%s: got %s; needs integers >= %lld", subject, what_is(t->items[i]), least);
        to[i] = (size_t)t->items[i]->integer;
    }
    *count = t->count;
    return to;
}

/* OP-1 */
static void read_sparse(Layer *l, size_t i, const Thing *operation)
{
    size_t axes, rows, columns, *shape = read_integers(field_text(i, "shape"), field(operation, "shape"), &axes, 1);
    size_t *r = read_integers(field_text(i, "rows"), field(operation, "rows"), &rows, 0);
    size_t *n = read_integers(field_text(i, "columns"), field(operation, "columns"), &columns, 0);
    if (axes != 2) refuse("ParameterError", "%s: got %zu integers; needs 2", field_text(i, "shape"), axes);
    if (rows != columns)
        refuse("ParameterError", "%s: got %zu rows and %zu columns; needs as many of both", field_text(i, "rows, columns"), rows, columns);
    for (size_t e = 0; e < rows; e++) {
        if (r[e] >= shape[0]) refuse("ParameterError", "%s: got %zu; needs less than %zu", field_text(i, "rows"), r[e], shape[0]);
        if (n[e] >= shape[1]) refuse("ParameterError", "%s: got %zu; needs less than %zu", field_text(i, "columns"), n[e], shape[1]);
    }
    Shape own = SHAPE(rows);
    if (!same_shape(&l->weight->shape, &own))
        refuse("ShapeError", "%s: got the shape %s; needs %s", field_text(i, "weight"), shape_text(&l->weight->shape), shape_text(&own));
    l->K = l->weight->K = shape[0];
    l->N = shape[1];
    new_entries(l->weight, rows);
    for (size_t e = 0; e < rows; e++) { Entry entry = {r[e], n[e], e}; l->weight->entries[e] = entry; }
}

/* One dimension of a convolution: input, window, positions, stride, dilation, zeros before the input */
typedef struct { size_t i, u, o, s, d, before; } Dimension;

/* OP-3 */
static void read_padding(size_t layer, Dimension *dim, size_t D, const Thing *padding, const Shape *weight)
{
    const char *subject = field_text(layer, "padding");
    bool same = padding->kind == TEXT && !strcmp(padding->text, "SAME"), valid = padding->kind == TEXT && !strcmp(padding->text, "VALID");
    if (!same && !valid && (!is_list(padding) || padding->count != D))
        refuse("ParameterError", "%s: got %s; needs \"SAME\", \"VALID\" or %zu pairs", subject, what_is(padding), D);
    for (size_t j = 0; j < D; j++) {
        Dimension *m = &dim[j];
        size_t count = 2, none[2] = {0, 0}, *pair = none, reach = (m->u - 1) * m->d + 1;
        if (same) {
            m->o = (m->i + m->s - 1) / m->s;
            size_t covered = (m->o - 1) * m->s + reach;
            m->before = m->i && covered > m->i ? (covered - m->i) / 2 : 0;
        } else {
            if (!valid) pair = read_integers(subject, padding->items[j], &count, 0);
            if (count != 2) refuse("ParameterError", "%s: got %zu integers; needs pairs", subject, count);
            size_t padded = m->i + pair[0] + pair[1];
            m->before = pair[0];
            m->o = padded >= reach ? (padded - reach) / m->s + 1 : 0;
        }
        if (!m->o)
            refuse("ShapeError", "%s: got the shape %s, a window of %zu in an input of %zu; needs at least one position", field_text(layer, "weight"),
                   shape_text(weight), reach, m->i);
    }
}

/* OP-2: the entries, at all positions, window places and channels, the last fastest */
static void convolution_entries(Layer *l, const Dimension *dim, size_t D, size_t Q, size_t U, size_t per_group, size_t G)
{
    Param *p = l->weight;
    size_t C = per_group * G, e = 0;
    new_entries(p, Q * U * per_group * l->channels);
    for (size_t q = 0; q < Q; q++)
        for (size_t u = 0; u < U; u++) {
            size_t place = 0, stride = 1, q_rest = q, u_rest = u;
            bool inside = true;
            for (size_t j = D; j-- > 0;) {
                size_t at = q_rest % dim[j].o * dim[j].s + u_rest % dim[j].u * dim[j].d; /* before the zeros are taken off */
                if (at < dim[j].before || at - dim[j].before >= dim[j].i) inside = false;
                else place += (at - dim[j].before) * stride;
                stride *= dim[j].i;
                q_rest /= dim[j].o;
                u_rest /= dim[j].u;
            }
            for (size_t c = 0; c < per_group; c++)
                for (size_t out = 0; out < l->channels; out++, e++) {
                    size_t k = place * C + out * G / l->channels * per_group + c;
                    Entry entry = {inside ? k : NONE, q * l->channels + out, (u * per_group + c) * l->channels + out};
                    p->entries[e] = entry;
                }
        }
    p->trace_shape = with_axis(Q, &p->shape);
}

static void read_convolution(Layer *l, size_t i, const Thing *operation)
{
    const Thing *strides = field(operation, "strides"), *dilation = field(operation, "dilation"), *groups = field(operation, "groups");
    const char *subject = field_text(i, "weight");
    const Shape *shape = &l->weight->shape;
    size_t D, count, *sizes = read_integers(field_text(i, "sizes"), field(operation, "sizes"), &D, 0), Q = 1, U = 1, in = 1;
    Dimension dim[3];
    if (D < 1 || D > 3) refuse("ParameterError", "%s: got %zu dimensions; needs one to three", field_text(i, "sizes"), D);
    need_axes(subject, shape, D + 2, say("%zu axes, (u..., C/G, C')", D + 2));
    if (groups->kind != INTEGER || groups->huge || groups->integer < 1)
        refuse("ParameterError", "%s: got %s; needs an integer >= 1", field_text(i, "groups"), what_is(groups));
    for (size_t j = 0; j < D; j++) { Dimension m = {sizes[j], shape->length[j], 0, 1, 1, 0}; dim[j] = m; }
    for (int which = 0; which < 2; which++) {
        const Thing *t = which ? dilation : strides;
        const char *what = field_text(i, which ? "dilation" : "strides");
        if (t->kind == NOTHING) continue;
        size_t *x = read_integers(what, t, &count, 1);
        if (count != D) refuse("ParameterError", "%s: got %zu integers; needs %zu", what, count, D);
        for (size_t j = 0; j < D; j++) *(which ? &dim[j].d : &dim[j].s) = x[j];
    }
    read_padding(i, dim, D, field(operation, "padding"), shape);
    size_t G = (size_t)groups->integer, per_group = shape->length[D];
    l->channels = shape->length[D + 1];
    if (l->channels % G)
        refuse("ShapeError", "%s: got the shape %s, of %zu channels; needs as many as the %zu groups divide", subject, shape_text(shape), l->channels, G);
    for (size_t j = 0; j < D; j++) { Q *= dim[j].o; U *= dim[j].u; in *= dim[j].i; }
    l->K = l->weight->K = in * per_group * G;
    l->N = Q * l->channels;
    convolution_entries(l, dim, D, Q, U, per_group, G);
}

/* OP-4 */
static void read_low_rank(Layer *l, size_t i, const Thing *record)
{
    const Thing *scale = field(field(record, "operation"), "scale"), *factor = field(record, "factor");
    Param *B = l->weight;
    if (factor->kind == NOTHING) refuse("StructureError", "%s: got None; needs the factor A of a low-rank operation", field_text(i, "factor"));
    l->scale = scale->real;
    if ((scale->kind != REAL && scale->kind != INTEGER) || !isfinite(l->scale))
        refuse("ParameterError", "%s: got %s; needs a finite number", field_text(i, "scale"), what_is(scale));
    need_axes(field_text(i, "weight"), &B->shape, 2, "(K, R)");
    l->K = B->shape.length[0];
    l->R = B->shape.length[1];
    Numbers q = numbers_of(field_text(i, "factor"), factor, NULL);
    if (q.shape.axes != 2 || q.shape.length[0] != l->R || !q.size)
        refuse("ShapeError", "%s: got the shape %s; needs (%zu, N)", field_text(i, "factor"), shape_text(&q.shape), l->R);
    l->N = q.shape.length[1];
    l->factor = new_param(say("%zu.factor", i), i, q);
    dense_entries(l->factor, l->R, l->N);
    new_entries(B, l->K * l->R * l->N);
    B->K = l->K;
    B->trace_shape = SHAPE(l->K, l->R, l->N);
    for (size_t e = 0; e < B->E; e++) { Entry entry = {e / l->N / l->R, e % l->N, e / l->N}; B->entries[e] = entry; }
}

/* OP-15 */
static void read_grouped(Layer *l, size_t i)
{
    Param *p = l->weight;
    need_axes(field_text(i, "weight"), &p->shape, 3, "(G, K/G, N/G)");
    size_t k = p->shape.length[1], n = p->shape.length[2];
    l->K = p->K = p->shape.length[0] * k;
    l->N = p->shape.length[0] * n;
    new_entries(p, p->size);
    for (size_t e = 0; e < p->E; e++) { Entry entry = {e / n, e / n / k * n + e % n, e}; p->entries[e] = entry; }
}

static void other_operation(Layer *l, size_t i, const char *kind, const Thing *record)
{
    const Thing *operation = field(record, "operation");
    if (!strcmp(kind, "sparse")) read_sparse(l, i, operation);
    else if (!strcmp(kind, "convolution")) read_convolution(l, i, operation);
    else if (!strcmp(kind, "low-rank")) read_low_rank(l, i, record);
    else if (!strcmp(kind, "grouped")) read_grouped(l, i);
    else if (!strcmp(kind, "embedding")) { /* OP-5 */
        need_axes(field_text(i, "weight"), &l->weight->shape, 2, "(K, N)");
        if (i) refuse("DtypeError", "%s: got an embedding of emissions; needs integers, which the first layer has", field_text(i, "operation"));
        l->embedding = true;
        l->K = l->weight->shape.length[0];
        l->N = l->weight->shape.length[1];
        dense_entries(l->weight, l->K, l->N);
    } else {
        refuse("ParameterError", "%s: got '%s'; needs dense, sparse, convolution, low-rank, embedding or grouped", field_text(i, "operation"), kind);
    }
}

/* OP-13 */
static void check_rows(const Network *net, const Thing *inputs)
{
    Dtype dtype = inputs->kind == VALUE ? inputs->array->dtype : D_F8;
    if (DTYPES[dtype].kind != 'i' && DTYPES[dtype].kind != 'u')
        refuse("DtypeError", "inputs: got the dtype %s; needs an integer dtype, such as int64", DTYPES[dtype].word);
    if (net->K != 1) refuse("ShapeError", "inputs: got the shape (%zu, %zu, %zu); needs (T, B, 1)", net->T, net->B, net->K);
    for (size_t i = 0; i < net->T * net->B; i++)
        if (!(net->inputs[i] >= 0 && net->inputs[i] < (double)net->layers[0].K))
            refuse("InputError", "inputs: got %.17g; needs an index of a row, 0 to %zu", net->inputs[i], net->layers[0].K - 1);
}

/* the operation of a layer and its weight, which say how many inputs and neurons there are */
static void read_operation(Layer *l, size_t i, const Thing *record)
{
    const Thing *operation = field(record, "operation"), *function = field(record, "weight_function"), *mask = field(record, "mask");
    const char *kind = operation->kind == NOTHING ? "dense" : "", *subject = field_text(i, "weight");
    if (field(operation, "kind")->kind == TEXT) kind = field(operation, "kind")->text;
    Param *w = new_param(say("%zu.weight", i), i, numbers_of(subject, field(record, "weight"), NULL));
    l->weight = w;
    if (!strcmp(kind, "dense")) {
        need_axes(subject, &w->shape, 2, "(K, N)");
        l->K = w->shape.length[0];
        l->N = w->shape.length[1];
        dense_entries(w, l->K, l->N);
    } else {
        other_operation(l, i, kind, record);
    }
    const char *phi = function->kind == NOTHING ? "identity" : function->kind == TEXT ? function->text : "";
    if (strcmp(phi, "identity") && strcmp(phi, "square") && strcmp(phi, "absolute"))
        refuse("ParameterError", "%s: got %s; needs identity, square or absolute", field_text(i, "weight_function"), what_is(function));
    w->function = phi[0];
    if (mask->kind != NOTHING) w->mask = array_of(field_text(i, "mask"), mask, &w->shape).x;
    if (l->factor && (w->mask || w->function != 'i'))
        refuse("ParameterError", "%s: got a mask or a weight function; needs none, of a low-rank operation", subject);
    refresh(w);
}

static void read_bias(Layer *l, size_t i, const Thing *record)
{
    const char *subject = field_text(i, "bias");
    if (field(record, "bias")->kind == NOTHING) return;
    Numbers q = numbers_of(subject, field(record, "bias"), NULL);
    Shape own = SHAPE(l->channels ? l->channels : l->N);
    bool shared = !l->channels && q.size == 1 && q.shape.axes <= 1;
    if (!shared && !same_shape(&q.shape, &own))
        refuse("ShapeError", "%s: got the shape %s; needs %s", subject, shape_text(&q.shape), shape_text(&own));
    l->bias = new_param(say("%zu.bias", i), i, q);
    neuron_entries(l->bias, l->N);
}

static void read_recurrence(Layer *l, size_t i, const Thing *record)
{
    const char *subject = field_text(i, "recurrent");
    const Thing *mask = field(record, "recurrent_mask");
    if (field(record, "recurrent")->kind == NOTHING) return;
    Numbers q = numbers_of(subject, field(record, "recurrent"), NULL);
    Shape dense = SHAPE(l->N, l->N), own = SHAPE(l->N);
    bool shared = q.size == 1 && q.shape.axes <= 1;
    if (!shared && !same_shape(&q.shape, &dense) && !same_shape(&q.shape, &own))
        refuse("ShapeError", "%s: got the shape %s; needs %s or %s", subject, shape_text(&q.shape), shape_text(&dense), shape_text(&own));
    Param *p = l->recurrent = new_param(say("%zu.recurrent", i), i, q);
    l->element_wise = q.shape.axes < 2;
    if (l->element_wise && (l->kind == GIF_STATES || l->kind == GIF_TREE)) /* NET-5 */
        refuse("ParameterError", "%s: got an element-wise recurrence; needs a dense one, of shape %s, or none, for the kind %s",
               subject, shape_text(&dense), KIND[l->kind].name);
    if (l->element_wise) neuron_entries(p, l->N);
    else dense_entries(p, l->N, l->N);
    if (mask->kind != NOTHING) p->mask = array_of(field_text(i, "recurrent_mask"), mask, &dense).x;
    refresh(p);
}

static int read_kind(size_t i, const Thing *kind)
{
    const char *names = "";
    for (int k = 0; k < KINDS; k++) {
        if (kind->kind == TEXT && !strcmp(kind->text, KIND[k].name)) return k;
        names = say("%s%s%s", names, k ? ", " : "", KIND[k].name);
    }
    refuse("ParameterError", "%s: got %s; needs one of %s", field_text(i, "kind"), what_is(kind), names);
}

/* the arrays that a layer has in a step, and those of its parameters */
static void prepare_layer(Network *net, size_t i)
{
    Layer *l = &net->layers[i];
    size_t B = net->B, N = l->N;
    Param *own[4] = {l->weight, l->factor, l->bias, l->recurrent};
    l->d = l->own + l->leaky;
    l->x = get_numbers(B * l->K);
    l->scaled_x = get_numbers(B * l->K);
    l->middle = get_numbers(B * l->R);
    l->old = get_numbers(B * N);
    l->s = get_numbers(B * N);
    l->y = get_numbers(B * N);
    l->signal = get_numbers(B * N);
    l->c = get_numbers(B * N);
    l->h = get_numbers(B * N * l->d);
    l->lambda = get_numbers(B * N * l->d);
    l->local = get_many(B * N, sizeof *l->local);
    if (l->weight->layer == i) l->weight->z = l->factor ? l->scaled_x : l->x;
    if (l->factor) { l->factor->z = l->middle; l->weight->through = l->factor; }
    if (l->recurrent) { if (l->element_wise) l->recurrent->times = l->old; else l->recurrent->z = l->old; }
    for (int j = 0; j < 4; j++) {
        Param *p = own[j];
        if (!p || p->layer != i) continue; /* a tied weight belongs to the first layer */
        append_param(&net->traced, p);
        p->eps = get_numbers(B * p->E * l->d);
        p->bar = get_numbers(net->rule.name == THREE_FACTOR ? B * p->E : 0);
        p->eps_x = get_numbers(B * p->K);
        p->eps_f = get_numbers(B * N * l->d);
    }
}

static void read_layer(Network *net, size_t i, const Thing *record)
{
    Layer *l = &net->layers[i];
    l->kind = read_kind(i, field(record, "kind"));
    l->own = KIND[l->kind].variables;
    read_operation(l, i, record);
    size_t below = i ? l[-1].N : net->K;
    if (!l->embedding && l->K != below && !i)
        refuse("ShapeError", "inputs: got the shape (%zu, %zu, %zu); needs (T, B, %zu), as the weight of layer 0, of shape %s, has it",
               net->T, net->B, below, l->K, shape_text(&l->weight->shape));
    if (!l->embedding && l->K != below)
        refuse("ShapeError", "%s: got the shape %s, of %zu inputs; needs %zu, as many as layer %zu has neurons", field_text(i, "weight"),
               shape_text(&l->weight->shape), l->K, below, i - 1);
    read_bias(l, i, record);
    read_recurrence(l, i, record);
    if (field(record, "lateral")->kind != NOTHING) {
        Shape square = SHAPE(l->N, l->N);
        l->lateral = array_of(field_text(i, "lateral"), field(record, "lateral"), &square).x;
    }
    l->neurons = read_neurons(l->kind, l->N, field(record, "parameters"), net->dt);
}

/* LEARN-14 to LEARN-17 */
static void check_paths(const Network *net, const Thing *record)
{
    for (size_t i = 0; i < net->count; i++)
        if (net->layers[i].lateral)
            refuse("LateralPathError", "%s: got a path between neurons that crosses no trainable operation; needs none", field_text(i, "lateral"));
    if (field(record, "skip")->kind != NOTHING)
        refuse("UnreachedError", "parameter skip: got an operation whose y reaches no hidden state; needs one that does");
    if (field(record, "tied")->integer)
        refuse("ParameterUseError", "parameter 0.weight (weight): got it used twice in a step; needs it once");
    if (field(record, "output_decay")->kind != NOTHING)
        refuse("HiddenPathError", "output_decay: got a state, out, that carries a derivative and is not hidden; needs none");
}

/* RTRL-3: what LEARN-15 to LEARN-17 have other rules refuse */
static void read_other_paths(Network *net, const Thing *record)
{
    const Thing *skip = field(record, "skip"), *decay = field(record, "output_decay");
    if (skip->kind != NOTHING) {
        Shape shape = SHAPE(net->K, net->M);
        net->skip = new_param("skip", net->count, array_of("skip", skip, &shape));
        append_param(&net->plain, net->skip);
    }
    if (decay->kind != NOTHING) net->output_decay = read_number("output_decay", decay);
    if (!field(record, "tied")->integer || net->count < 2) return;
    Layer *l = net->layers;
    if (l[0].K != l[1].K || l[0].N != l[1].N)
        refuse("ShapeError", "layer 1, weight: got (%zu, %zu); needs (%zu, %zu), as it is tied to that of layer 0", l[1].K,
               l[1].N, l[0].K, l[0].N);
    l[1].weight = l[0].weight;
}

/* TRACE-6 */
static double read_decay(const Thing *t)
{
    if ((t->kind == REAL || t->kind == INTEGER) && t->real >= 0 && t->real < 1) return t->real;
    if (t->kind == INTEGER && t->real >= 1) return (t->real - 1) / (t->real + 1);
    refuse("ParameterError", "decay_or_rank: got %s; needs a decay, 0 <= decay < 1, or a rank, an integer >= 1", what_is(t));
}

static Rule read_rule(const Thing *record)
{
    Rule r = {NO_RULE, 0, 0, 0, field(record, "rules"), SYMMETRIC};
    const Thing *name = field(record, "name"), *decay = field(record, "decay_or_rank"), *feedback = field(record, "feedback");
    for (int i = D_RTRL; i <= THREE_FACTOR; i++) if (name->kind == TEXT && !strcmp(name->text, RULES[i])) r.name = i;
    if (!r.name) refuse("ParameterError", "rule: got %s; needs D-RTRL, ES-D-RTRL, hybrid, e-prop, RTRL, OSTL or three-factor", what_is(name));
    if (r.name == ES_D_RTRL || r.name == HYBRID) {
        if (is_list(decay) && decay->count != 2)
            refuse("ParameterError", "decay_or_rank: got %s; needs one decay or rank, or two of them", what_is(decay));
        r.decay_x = read_decay(is_list(decay) ? decay->items[0] : decay);
        r.decay_f = read_decay(is_list(decay) ? decay->items[1] : decay);
    }
    if (r.name == THREE_FACTOR) { /* THREE-5 */
        r.kappa = decay->real;
        if ((decay->kind != REAL && decay->kind != INTEGER) || !(r.kappa >= 0 && r.kappa < 1))
            refuse("ParameterError", "decay (decay_or_rank, kappa): got %s; needs a number, 0 <= kappa < 1", what_is(decay));
    }
    if (r.name == E_PROP) { /* EPROP-7 */
        const char *text = feedback->kind == TEXT ? feedback->text : "";
        if (strcmp(text, "symmetric") && strcmp(text, "random") && strcmp(text, "adaptive"))
            refuse("ParameterError", "feedback: got %s; needs symmetric, random or adaptive", what_is(feedback));
        r.feedback = text[0] == 's' ? SYMMETRIC : text[0] == 'r' ? RANDOM : ADAPTIVE;
    }
    return r;
}

static void read_readout(Network *net, const Thing *record)
{
    const Thing *decay = field(record, "readout_decay"), *bias = field(record, "readout_bias");
    Numbers q = numbers_of("readout", field(record, "readout"), NULL);
    if (q.shape.axes != 2 || q.shape.length[0] != net->last->N)
        refuse("ShapeError", "readout: got the shape %s; needs (%zu, M)", shape_text(&q.shape), net->last->N);
    net->M = q.shape.length[1];
    net->readout = new_param("readout.weight", net->count, q);
    append_param(&net->plain, net->readout);
    if (bias->kind != NOTHING) {
        Shape shape = SHAPE(net->M);
        net->readout_bias = new_param("readout.bias", net->count, array_of("readout_bias", bias, &shape));
        append_param(&net->plain, net->readout_bias);
    }
    net->readout_decay = decay->kind == NOTHING ? 0 : decay->real;
    if ((decay->kind != REAL && decay->kind != INTEGER && decay->kind != NOTHING) || !(net->readout_decay >= 0 && net->readout_decay < 1))
        refuse("ParameterError", "readout_decay: got %s; needs a number, 0 <= decay < 1", what_is(decay));
    net->last->leaky = net->readout_decay > 0;
    if (net->rule.name == E_PROP && net->rule.feedback != SYMMETRIC) {
        net->feedback = new_param("readout.feedback", net->count, array_of("feedback", field(record, "feedback"), &net->readout->shape));
        if (net->rule.feedback == ADAPTIVE) append_param(&net->plain, net->feedback);
    }
    net->out = get_numbers(net->B * net->M);
    net->delta = get_numbers(net->B * net->M);
}

/* LEARN-18, NET-4, OP-13 */
static void read_inputs(Network *net, const Thing *record, const Thing *inputs)
{
    const Thing *layers = field(record, "layers");
    Numbers q = numbers_of("inputs", inputs, NULL);
    need_axes("inputs", &q.shape, 3, "(T, B, K)");
    check_input("inputs", q.x, q.size);
    net->T = q.shape.length[0];
    net->B = q.shape.length[1];
    net->K = q.shape.length[2];
    net->inputs = q.x;
    if (!is_list(layers) || !layers->count) refuse("ShapeError", "layers: got 0 layers; needs at least 1");
    if (layers->count > 60) unsupported("so many layers");
    net->count = layers->count;
    net->layers = get_many(net->count, sizeof *net->layers);
    net->last = &net->layers[net->count - 1];
}

static void reset_network(Network *net)
{
    net->since = 0;
    for (size_t i = 0; i < net->count; i++) {
        Layer *l = &net->layers[i];
        memset(l->h, 0, net->B * l->N * l->d * sizeof *l->h);
        memset(l->s, 0, net->B * l->N * sizeof *l->s);
        for (size_t j = 0; j < net->B * l->N; j++) {
            double *h = l->h + j * l->d, unused[MOST];
            initial_neuron(&l->neurons[j % l->N], h);
            if (l->element_wise) l->s[j] = emission(&l->neurons[j % l->N], h, unused); /* else s(0) = 0 */
        }
    }
    memset(net->out, 0, net->B * net->M * sizeof *net->out);
    for (Param *p = net->traced; p; p = p->next) {
        const Layer *l = &net->layers[p->layer];
        memset(p->eps, 0, net->B * p->E * l->d * sizeof *p->eps);
        memset(p->eps_x, 0, net->B * p->K * sizeof *p->eps_x);
        memset(p->eps_f, 0, net->B * l->N * l->d * sizeof *p->eps_f);
        if (net->rule.name == THREE_FACTOR) memset(p->bar, 0, net->B * p->E * sizeof *p->bar);
    }
}

static bool chosen_by_another(const Param *p, const Layer *l) { return p == l->factor || (p == l->bias && l->channels); }

/* HYBRID-2 where nothing is chosen: whether the traces of ES-D-RTRL have fewer numbers */
static bool two_are_smaller(const Param *p, const Layer *l, const Param *with)
{
    size_t one = p->E * l->d, two = l->N * l->d + (p->z ? p->K : 0);
    if (with) { one += with->E * l->d; two += with->z ? with->K : 0; }
    return p->z && one > two;
}

/* HYBRID-1 to HYBRID-3: which of the two each parameter has */
static void choose_traces(Network *net)
{
    const Thing *choices = net->rule.choices;
    for (size_t i = 0; net->rule.name == HYBRID && choices->kind == DICT && i < choices->count; i++) {
        const char *names = "", *key = choices->keys[i]->kind == TEXT ? choices->keys[i]->text : "";
        bool known = false;
        for (Param *p = net->traced; p; p = p->next) {
            if (chosen_by_another(p, &net->layers[p->layer])) continue;
            known = known || !strcmp(key, p->name);
            names = say("%s %s", names, p->name);
        }
        if (!known) refuse("StateNameError", "rules: got the parameter '%s'; needs one of%s", key, names);
        const Thing *rule = choices->items[i];
        if (rule->kind != TEXT || (strcmp(rule->text, "D-RTRL") && strcmp(rule->text, "ES-D-RTRL")))
            refuse("ParameterError", "rules, %s: got %s; needs D-RTRL or ES-D-RTRL", key, what_is(rule));
    }
    for (Param *p = net->traced; p; p = p->next) {
        const Layer *l = &net->layers[p->layer];
        bool pair = chosen_by_another(p, l);
        if (pair) { p->two_traces = l->weight->two_traces; continue; }
        const Param *with = p != l->weight ? NULL : l->factor ? l->factor : l->bias && chosen_by_another(l->bias, l) ? l->bias : NULL;
        const Thing *choice = field(choices, p->name);
        p->two_traces = choice->kind == TEXT ? !strcmp(choice->text, "ES-D-RTRL") : two_are_smaller(p, l, with);
        if (net->rule.name != HYBRID) p->two_traces = net->rule.name == ES_D_RTRL;
    }
}

/* a network and its inputs; learning signals alone have no rule */
static Network *read_network(const Thing *args, bool has_rule)
{
    Network *net = get(sizeof *net);
    const Thing *record = field(args, "network");
    size_t work = 0;
    net->rule.choices = &NO_THING;
    if (has_rule) net->rule = read_rule(field(args, "rule"));
    read_inputs(net, record, field(args, "inputs"));
    net->dt = read_dt(field(args, "dt"));
    for (size_t i = 0; i < net->count; i++) read_layer(net, i, field(record, "layers")->items[i]);
    if (net->layers[0].embedding) check_rows(net, field(args, "inputs"));
    read_readout(net, record);
    if (net->rule.name == RTRL) read_other_paths(net, record);
    else check_paths(net, record);
    for (size_t i = 0; i < net->count; i++) {
        Layer *l = &net->layers[i];
        prepare_layer(net, i);
        net->hidden[i] = get_numbers(net->T * net->B * l->N * l->d);
        net->emitted[i] = get_numbers(net->T * net->B * l->N);
    }
    net->outputs = get_numbers(net->T * net->B * net->M);
    for (size_t i = 0; i < net->count; i++) {
        const Layer *l = &net->layers[i];
        if (work < l->N + l->K + l->R) work = l->N + l->K + l->R;
    }
    net->work = get_numbers(work);
    choose_traces(net);
    reset_network(net);
    return net;
}

/* ================================================================== networks: steps */

/* y += what the entries of a parameter put out */
static void put_out(const Param *p, const double *z, const double *times, double *y)
{
    for (size_t e = 0; e < p->E; e++) {
        const Entry *at = &p->entries[e];
        if (at->k == NONE) continue;
        y[at->n] += p->W[at->p] * (z ? z[at->k] : 1) * (times ? times[at->n] : 1);
    }
}

/* B of a low-rank operation: z of A is kappa x B */
static void put_middle(const Layer *l, const double *x, double *scaled_x, double *middle)
{
    memset(middle, 0, l->R * sizeof *middle);
    for (size_t k = 0; k < l->K; k++) {
        scaled_x[k] = l->scale * x[k];
        for (size_t r = 0; r < l->R; r++) middle[r] += scaled_x[k] * l->weight->W[k * l->R + r];
    }
}

/* y += the operation of x */
static void apply_operation(const Layer *l, const double *x, double *scaled_x, double *middle, double *y)
{
    if (!l->factor) { put_out(l->weight, x, NULL, y); return; }
    put_middle(l, x, scaled_x, middle);
    put_out(l->factor, middle, NULL, y);
}

/* a fixed lateral connection: y += s(t-1) A (LEARN-14) */
static void add_lateral(const Layer *l, const double *s, double *y)
{
    for (size_t i = 0; l->lateral && i < l->N * l->N; i++) y[i % l->N] += s[i / l->N] * l->lateral[i];
}

/* NET-3 and the element-wise recurrence: what belongs to Phi beside the neuron itself */
static void complete_local(const Network *net, const Layer *l, Local *local, const double *by_old, double v, double *h)
{
    size_t d = l->own;
    if (l->element_wise) {
        for (size_t j = 0; j < d; j++) {
            for (size_t i = 0; i < d; i++) local->D[i][j] += local->F[i] * v * by_old[j];
            local->S[j] += local->q * v * by_old[j];
        }
    }
    if (!l->leaky) return;
    h[d] = net->readout_decay * h[d] + local->s;
    for (size_t j = 0; j < d; j++) local->D[d][j] = local->S[j];
    local->D[d][d] = net->readout_decay;
    local->F[d] = local->q;
}

/* one entry of the batch through one layer, with x given */
static void step_layer(const Network *net, Layer *l, size_t b)
{
    size_t N = l->N;
    double *y = l->y + b * N, *old = l->old + b * N, *s = l->s + b * N, by_old[MOST];
    memset(y, 0, N * sizeof *y);
    memcpy(old, s, N * sizeof *old);
    apply_operation(l, l->x + b * l->K, l->scaled_x + b * l->K, l->middle + b * l->R, y);
    add_lateral(l, s, y);
    if (l->bias) put_out(l->bias, NULL, NULL, y);
    if (l->recurrent) put_out(l->recurrent, l->element_wise ? NULL : old, l->element_wise ? old : NULL, y);
    for (size_t n = 0; n < N; n++) {
        double *h = l->h + (b * N + n) * l->d;
        Local *local = &l->local[b * N + n];
        if (l->element_wise) emission(&l->neurons[n], h, by_old);
        step_neuron(&l->neurons[n], h, y[n], local);
        complete_local(net, l, local, by_old, l->element_wise ? l->recurrent->W[n % l->recurrent->size] : 0, h);
        s[n] = local->s;
    }
}

/* what the readout is given of a neuron of the last layer: s, or r of a leaky one */
static double read_out(const Layer *l, size_t bn) { return l->leaky ? l->h[bn * l->d + l->own] : l->s[bn]; }

static void step_readout(Network *net, size_t b)
{
    const Layer *l = net->last;
    for (size_t j = 0; j < net->M; j++) {
        double sum = (net->readout_bias ? net->readout_bias->W[j] : 0) + net->output_decay * net->out[b * net->M + j];
        for (size_t k = 0; net->skip && k < net->K; k++) sum += net->layers[0].x[b * net->K + k] * net->skip->W[k * net->M + j];
        for (size_t n = 0; n < l->N; n++) sum += read_out(l, b * l->N + n) * net->readout->W[n * net->M + j];
        net->out[b * net->M + j] = sum;
    }
}

/* a step of the whole network, and its record */
static void step_network(Network *net, size_t t)
{
    net->since++;
    for (size_t b = 0; b < net->B; b++) {
        for (size_t i = 0; i < net->count; i++) {
            Layer *l = &net->layers[i];
            const double *given = i ? l[-1].s + b * l->K : net->inputs + (t * net->B + b) * net->K;
            double *x = l->x + b * l->K;
            if (l->embedding) { memset(x, 0, l->K * sizeof *x); x[(size_t)given[0]] = 1; }
            else memcpy(x, given, l->K * sizeof *x);
            step_layer(net, l, b);
        }
        step_readout(net, b);
    }
    for (size_t i = 0; i < net->count; i++) {
        Layer *l = &net->layers[i];
        memcpy(net->hidden[i] + t * net->B * l->N * l->d, l->h, net->B * l->N * l->d * sizeof *l->h);
        memcpy(net->emitted[i] + t * net->B * l->N, l->s, net->B * l->N * sizeof *l->s);
    }
    memcpy(net->outputs + t * net->B * net->M, net->out, net->B * net->M * sizeof *net->out);
}

/* OP-10: dL/dx of a layer, from its c */
static void signals_below(const Layer *l, const double *c, double *below)
{
    const Param *p = l->factor ? l->factor : l->weight;
    double *z = l->factor ? get_numbers(l->R) : below;
    memset(below, 0, l->K * sizeof *below);
    for (size_t e = 0; e < p->E; e++)
        if (p->entries[e].k != NONE) z[p->entries[e].k] += p->W[p->entries[e].p] * c[p->entries[e].n];
    for (size_t k = 0; l->factor && k < l->K; k++)
        for (size_t r = 0; r < l->R; r++) below[k] += l->scale * l->weight->W[k * l->R + r] * z[r];
}

/* LEARN-1, LEARN-5, EPROP-1: c and lambda of all layers, from delta = dL/dout */
static void learning_signals(Network *net)
{
    const double *W = (net->feedback ? net->feedback : net->readout)->W;
    for (size_t i = net->count; i-- > 0;) {
        Layer *l = &net->layers[i];
        for (size_t bn = 0; bn < net->B * l->N; bn++) {
            size_t b = bn / l->N, n = bn % l->N;
            if (l == net->last) {
                l->signal[bn] = 0;
                for (size_t j = 0; j < net->M; j++) l->signal[bn] += W[n * net->M + j] * net->delta[b * net->M + j];
            }
            const Local *local = &l->local[bn];
            l->c[bn] = l->signal[bn] * local->q;
            for (size_t v = 0; v < l->d; v++)
                l->lambda[bn * l->d + v] = l->signal[bn] * (l->leaky ? local->D[l->own][v] : local->S[v]);
        }
        for (size_t b = 0; i > 0 && b < net->B; b++) signals_below(l, l->c + b * l->N, l[-1].signal + b * l->K);
    }
}

/* ================================================================== networks: traces and gradients */

/* a z of an entry; the coefficient a of an entry of B is A[r, n] */
static double presynaptic(const Param *p, const Entry *at, const double *z, size_t N)
{
    if (at->k == NONE) return 0;
    return (p->through ? p->through->W[at->p % p->shape.length[1] * N + at->n] : 1) * (z ? z[at->k] : 1);
}

/* h <- decay D h + share f */
static void carry(const Local *l, size_t d, double decay, double share, double *h)
{
    double next[MOST];
    for (size_t i = 0; i < d; i++) {
        next[i] = share * l->F[i];
        for (size_t j = 0; j < d; j++) next[i] += decay * l->D[i][j] * h[j];
    }
    memcpy(h, next, d * sizeof *h);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* TRACE-3, TRACE-4, OP-6 for one entry of the batch; before, where it learns, LEARN-2 and OP-8, or
 * THREE-1 and THREE-2 with the reward (NULL: no reward) */
static void one_trace(const Network *net, Param *p, size_t b, bool learn, const double *reward)
{
    const Layer *l = &net->layers[p->layer];
    for (size_t e = 0; e < p->E; e++) {
        const Entry *at = &p->entries[e];
        size_t bn = b * l->N + at->n;
        if (at->k == NONE) continue;
        double *eps = p->eps + (b * p->E + e) * l->d;
        double az = presynaptic(p, at, p->z ? p->z + b * p->K : NULL, l->N) * (p->times ? p->times[bn] : 1);
        if (learn) p->gradient[at->p] += az * l->c[bn] + dot(l->lambda + bn * l->d, eps, l->d);
        if (reward) {
            double *bar = &p->bar[b * p->E + e];
            *bar = net->rule.kappa * *bar + l->local[bn].q * az + dot(l->local[bn].S, eps, l->d);
            p->gradient[at->p] -= reward[b] * *bar;
        }
        carry(&l->local[bn], l->d, 1, az, eps);
    }
}

/* TRACE-5, OP-7; where it learns, LEARN-3 and OP-9 */
static void two_traces(const Network *net, Param *p, size_t b, bool learn)
{
    const Layer *l = &net->layers[p->layer];
    double *eps_x = p->eps_x + b * p->K, a = net->rule.decay_f;
    for (size_t k = 0; k < p->K; k++) eps_x[k] = net->rule.decay_x * eps_x[k] + (p->z ? p->z[b * p->K + k] : 1);
    double share = 1 / (1 - pow(a, (double)net->since));
    for (size_t e = 0; learn && e < p->E; e++) {
        const Entry *at = &p->entries[e];
        size_t bn = b * l->N + at->n;
        double c = l->c[bn] * (p->times ? p->times[bn] : 1);
        double past = dot(l->lambda + bn * l->d, p->eps_f + bn * l->d, l->d);
        p->gradient[at->p] += presynaptic(p, at, eps_x, l->N) * ((1 - a) * c + a * past) * share;
    }
    for (size_t bn = b * l->N; bn < (b + 1) * l->N; bn++)
        carry(&l->local[bn], l->d, a, (1 - a) * (p->times ? p->times[bn] : 1), p->eps_f + bn * l->d);
}

static void all_traces(const Network *net, bool learn, const double *reward)
{
    for (Param *p = net->traced; p; p = p->next)
        for (size_t b = 0; b < net->B; b++) {
            if (p->two_traces) two_traces(net, p, b, learn);
            else one_trace(net, p, b, learn, reward);
        }
}

/* LEARN-6, EPROP-4, EPROP-5 */
static void plain_gradients(Network *net)
{
    for (size_t b = 0; b < net->B; b++)
        for (size_t j = 0; j < net->M; j++) {
            double delta = net->delta[b * net->M + j];
            if (net->readout_bias) net->readout_bias->gradient[j] += delta;
            for (size_t n = 0; n < net->last->N; n++) {
                double g = read_out(net->last, b * net->last->N + n) * delta;
                net->readout->gradient[n * net->M + j] += g;
                if (net->feedback) net->feedback->gradient[n * net->M + j] += g;
            }
        }
}

/* LEARN-7: the derivative of m and phi, at the present value */
static double slope_at(const Param *p, size_t i)
{
    double w = p->w[i], slope = p->function == 's' ? 2 * w : p->function == 'a' ? (w > 0) - (w < 0) : 1;
    return slope * (p->mask ? p->mask[i] : 1);
}

static double pulled_back(const Param *p, size_t i) { return p->gradient[i] * (p->pulled_back ? 1 : slope_at(p, i)); }

/* LEARN-11 */
static void update(Param *list, double rate)
{
    for (Param *p = list; p; p = p->next) {
        for (size_t i = 0; i < p->size; i++) p->w[i] -= rate * pulled_back(p, i);
        refresh(p);
    }
}

static void clear_gradients(Param *list)
{
    for (Param *p = list; p; p = p->next) memset(p->gradient, 0, p->size * sizeof *p->gradient);
}

/* ================================================================== networks: RTRL and OSTL */

/* An entry of a parameter has, for each entry of the batch, the derivatives by it of all states:
 * layer by layer the variables (N, d) and the emission (N), and then out (M). */
static void new_tangents(Network *net)
{
    net->states = net->M;
    for (size_t i = 0; i < net->count; i++) net->states += net->layers[i].N * (net->layers[i].d + 1);
    for (int list = 0; list < 2; list++)
        for (Param *p = list ? net->plain : net->traced; p; p = p->next) {
            p->pulled_back = true;
            p->tangent = get_many(p->size * net->B, net->states * sizeof(double));
        }
}

/* what a layer's y has of a unit of the i-th number of an effective weight itself */
static void direct_tangent(const Layer *l, const Param *p, size_t i, size_t b, double unit, double *dy)
{
    bool used = p == l->weight || p == l->factor || p == l->bias || p == l->recurrent;
    const double *z = p == l->weight ? (l->factor ? l->scaled_x : l->x) : p->z; /* a tied weight has another z here */
    for (size_t e = 0; used && e < p->E; e++) {
        const Entry *at = &p->entries[e];
        if (at->p != i || at->k == NONE) continue;
        double x = presynaptic(p, at, z ? z + b * p->K : NULL, l->N);
        dy[at->n] += unit * x * (p->times ? p->times[b * l->N + at->n] : 1);
    }
}

/* what out has of a unit of a plain weight itself */
static double direct_out(const Network *net, const Param *p, size_t i, size_t b, size_t j)
{
    if (p == net->readout_bias) return i == j;
    if (i % net->M != j) return 0;
    if (p == net->readout) return read_out(net->last, b * net->last->N + i / net->M);
    return p == net->skip ? net->layers[0].x[b * net->K + i / net->M] : 0;
}

/* RTRL-1: the derivatives by the i-th number of a parameter go one step on, and make its gradient */
static void tangent_step(Network *net, Param *p, size_t i, size_t b)
{
    double *whole = p->tangent + (i * net->B + b) * net->states, *at = whole, *below = NULL, unit = slope_at(p, i);
    for (size_t k = 0; k < net->count; k++) {
        Layer *l = &net->layers[k];
        double *dh = at, *ds = at + l->N * l->d, *dy = net->work;
        at = ds + l->N;
        memset(dy, 0, l->N * sizeof *dy);
        if (below) apply_operation(l, below, net->work + l->N, net->work + l->N + l->K, dy);
        if (l->recurrent && !l->element_wise) put_out(l->recurrent, ds, NULL, dy);
        add_lateral(l, ds, dy);
        direct_tangent(l, p, i, b, unit, dy);
        for (size_t n = 0; n < l->N; n++) {
            const Local *local = &l->local[b * l->N + n];
            ds[n] = dot(local->S, dh + n * l->d, l->d) + local->q * dy[n];
            carry(local, l->d, 1, dy[n], dh + n * l->d);
        }
        below = ds;
    }
    for (size_t j = 0; j < net->M; j++) {
        const Layer *l = net->last;
        const double *ds = at - l->N, *dh = ds - l->N * l->d;
        double dout = net->output_decay * at[j] + unit * direct_out(net, p, i, b, j);
        for (size_t n = 0; n < l->N; n++) dout += (l->leaky ? dh[n * l->d + l->own] : ds[n]) * net->readout->W[n * net->M + j];
        at[j] = dout;
        p->gradient[i] += net->delta[b * net->M + j] * dout;
    }
    if (net->rule.name != OSTL) return;
    for (size_t k = 0; k < net->count; k++) { /* OSTL-1 */
        size_t n = net->layers[k].N * (net->layers[k].d + 1);
        if (k != p->layer) memset(whole, 0, n * sizeof *whole);
        whole += n;
    }
}

static void all_tangents(Network *net)
{
    for (int list = 0; list < 2; list++)
        for (Param *p = list ? net->plain : net->traced; p; p = p->next)
            for (size_t i = 0; i < p->size; i++)
                for (size_t b = 0; b < net->B; b++) tangent_step(net, p, i, b);
}

/* ================================================================== networks: the calls */

static void put_one_trace(const Network *net, const Param *p)
{
    size_t d = net->layers[p->layer].d, N = net->layers[p->layer].N;
    if (!p->two_traces) {
        Shape shape = with_axis(net->B, &p->trace_shape);
        put_numbers(NULL, with_last_axis(&shape, d), p->eps);
        return;
    }
    put("[");
    if (p->z) put_numbers(NULL, SHAPE(net->B, p->K), p->eps_x);
    else put("null");
    put(",");
    put_numbers(NULL, SHAPE(net->B, N, d), p->eps_f);
    put("]");
}

static void put_traced(const Network *net)
{
    for (size_t i = 0; i < net->count; i++) {
        put(i ? "," : "{\"hidden\":[");
        put_numbers(NULL, SHAPE(net->T, net->B, net->layers[i].N, net->layers[i].d), net->hidden[i]);
    }
    for (size_t i = 0; i < net->count; i++) {
        put(i ? "," : "],\"emitted\":[");
        put_numbers(NULL, SHAPE(net->T, net->B, net->layers[i].N), net->emitted[i]);
    }
    put("],\"outputs\":");
    put_numbers(NULL, SHAPE(net->T, net->B, net->M), net->outputs);
    put(",\"traces\":{");
    for (Param *p = net->traced; p && net->rule.name != RTRL && net->rule.name != OSTL; p = p->next) {
        put_text(p->name);
        put(":");
        put_one_trace(net, p);
        if (p->next) put(",");
    }
    put("}}");
}

/* TRACE-8 */
static void call_traces(const Thing *args)
{
    Network *net = read_network(args, true);
    const Thing *runs = field(args, "runs");
    size_t total = 0, last = net->T;
    for (size_t i = 0; i < runs->count; i++) {
        const Thing *n = runs->items[i];
        if (n->kind != INTEGER || n->huge || n->integer < 0) refuse("ParameterError", "runs: got %s; needs integers >= 0", what_is(n));
        last = (size_t)n->integer;
        total += last;
    }
    if (runs->count && total != net->T)
        refuse("ParameterError", "runs: got %zu steps; needs %zu", total, net->T);
    for (size_t t = 0; t < net->T; t++) {
        if (t == net->T - last && field(args, "reset")->integer) reset_network(net);
        step_network(net, t);
        if (net->rule.name != RTRL && net->rule.name != OSTL) all_traces(net, false, NULL);
    }
    put_traced(net);
}

typedef struct { size_t chunk; bool updates; double rate; } Schedule;

static Schedule read_schedule(const Thing *args)
{
    const Thing *chunk = field(args, "chunk"), *rate = field(args, "learning_rate");
    Schedule s = {1, rate->kind != NOTHING, 0};
    if (chunk->kind != INTEGER || chunk->integer < 1) /* LEARN-18 */
        refuse("ParameterError", "chunk: got %s; needs an integer >= 1", what_is(chunk));
    s.chunk = chunk->huge ? (size_t)LARGEST : (size_t)chunk->integer;
    if (s.updates) s.rate = read_number("learning_rate", rate);
    if (!isfinite(s.rate)) refuse("ParameterError", "learning_rate: got %g; needs a finite number", s.rate);
    return s;
}

/* with updates, gradients are those of one chunk (LEARN-11) */
static void begin_step(const Schedule *s, Network *net, size_t t)
{
    if (!s->updates || t % s->chunk) return;
    clear_gradients(net->traced);
    clear_gradients(net->plain);
}

/* after step t: an update where a chunk ends (LEARN-10, LEARN-11) */
static void end_step(const Schedule *s, Network *net, size_t t, double *answer_of[])
{
    size_t at = 0;
    bool ends = (t + 1) % s->chunk == 0 || t + 1 == net->T;
    if (t + 1 == net->T) { /* the gradients of the answer: at the values before the last update */
        for (int list = 0; list < 2; list++)
            for (Param *p = list ? net->plain : net->traced; p; p = p->next, at++) {
                answer_of[at] = get_numbers(p->size);
                for (size_t i = 0; i < p->size; i++) answer_of[at][i] = pulled_back(p, i);
            }
    }
    if (!s->updates || !ends) return;
    update(net->traced, s->rate);
    if (net->rule.name != THREE_FACTOR) update(net->plain, s->rate); /* THREE-3 */
}

static void put_learned(const Network *net, const double *losses, double *gradients[])
{
    bool plain = net->rule.name != THREE_FACTOR;
    size_t at = 0;
    put("{\"losses\":");
    put_numbers(NULL, SHAPE(net->T), losses);
    put(",\"gradients\":{");
    for (int list = 0; list < 1 + plain; list++)
        for (Param *p = list ? net->plain : net->traced; p; p = p->next, at++) {
            if (at) put(",");
            put_text(p->name);
            put(":");
            put_numbers(NULL, p->shape, gradients[at]);
        }
    put("},\"parameters\":{");
    for (int list = 0; list < 2; list++)
        for (Param *p = list ? net->plain : net->traced; p; p = p->next) {
            if (list || p != net->traced) put(",");
            put_text(p->name);
            put(":");
            put_numbers(NULL, p->shape, p->w);
        }
    put("},\"traced\":");
    put_traced(net);
    put("}");
}

/* targets and weights of steps (LEARN-18) */
static double *read_targets(const Network *net, const Thing *args, double **weights)
{
    Shape shape = SHAPE(net->T, net->B, net->M), steps = SHAPE(net->T);
    Numbers targets = array_of("targets", field(args, "targets"), &shape), m = array_of("weights", field(args, "weights"), &steps);
    check_input("targets", targets.x, targets.size);
    check_input("weights", m.x, m.size);
    *weights = m.x;
    return targets.x;
}

/* L(t), and delta = dL/dout */
static double step_loss(Network *net, size_t t, const double *targets, double weight)
{
    double loss = 0;
    for (size_t i = 0; i < net->B * net->M; i++) {
        double error = net->out[i] - targets[t * net->B * net->M + i];
        loss += weight * error * error / 2;
        net->delta[i] = weight * error;
    }
    return loss;
}

static void call_learn(const Thing *args)
{
    Network *net = read_network(args, true);
    if (net->rule.name == THREE_FACTOR) refuse("ParameterError", "rule: got three-factor; needs a rule that has a loss");
    double *weights, *targets = read_targets(net, args, &weights), *losses = get_numbers(net->T);
    double *gradients[512];
    Schedule s = read_schedule(args);
    bool forward = net->rule.name == RTRL || net->rule.name == OSTL;
    if (forward) new_tangents(net);
    for (size_t t = 0; t < net->T; t++) {
        begin_step(&s, net, t);
        step_network(net, t);
        losses[t] = step_loss(net, t, targets, weights[t]);
        if (forward) {
            all_tangents(net);
        } else {
            learning_signals(net);
            plain_gradients(net);
            all_traces(net, true, NULL);
        }
        end_step(&s, net, t, gradients);
    }
    put_learned(net, losses, gradients);
}

static void call_learning_signals(const Thing *args)
{
    Network *net = read_network(args, false);
    double *weights, *targets = read_targets(net, args, &weights), *c[64], *lambda[64];
    for (size_t i = 0; i < net->count; i++) {
        c[i] = get_numbers(net->T * net->B * net->layers[i].N);
        lambda[i] = get_numbers(net->T * net->B * net->layers[i].N * net->layers[i].d);
    }
    for (size_t t = 0; t < net->T; t++) {
        step_network(net, t);
        step_loss(net, t, targets, weights[t]);
        learning_signals(net);
        for (size_t i = 0; i < net->count; i++) {
            const Layer *l = &net->layers[i];
            size_t n = net->B * l->N;
            memcpy(c[i] + t * n, l->c, n * sizeof *l->c);
            memcpy(lambda[i] + t * n * l->d, l->lambda, n * l->d * sizeof *l->lambda);
        }
    }
    put("[");
    for (size_t i = 0; i < net->count; i++) {
        const Layer *l = &net->layers[i];
        put(i ? ",[" : "[");
        put_numbers(NULL, SHAPE(net->T, net->B, l->N), c[i]);
        put(",");
        put_numbers(NULL, SHAPE(net->T, net->B, l->N, l->d), lambda[i]);
        put("]");
    }
    put("]");
}

/* THREE-1 to THREE-5 */
static void call_reinforce(const Thing *args)
{
    Network *net = read_network(args, true);
    if (net->rule.name != THREE_FACTOR) refuse("ParameterError", "rule: got %s; needs three-factor", RULES[net->rule.name]);
    Shape shape = SHAPE(net->T, net->B);
    Numbers M = array_of("rewards", field(args, "rewards"), &shape);
    check_input("rewards", M.x, M.size);
    double *losses = get_numbers(net->T), *gradients[512], *r = get_numbers(net->B);
    Schedule s = read_schedule(args);
    for (size_t t = 0; t < net->T; t++) {
        begin_step(&s, net, t);
        step_network(net, t);
        all_traces(net, false, M.x + t * net->B);
        for (size_t b = 0; b < net->B; b++) { /* r summed over layers and neurons, as it enters the loss */
            r[b] *= net->rule.kappa;
            for (size_t i = 0; i < net->count; i++)
                for (size_t n = 0; n < net->layers[i].N; n++) r[b] += net->layers[i].s[b * net->layers[i].N + n];
            losses[t] -= M.x[t * net->B + b] * r[b];
        }
        end_step(&s, net, t, gradients);
    }
    put_learned(net, losses, gradients);
}

/* ================================================================== 14 the pipe */

/* all capabilities of SPEC.md 1.0, and all that they allow */
static const char START[] =
    "{\"name\":\"brainscale in C99\",\"version\":\"1.0\",\"capabilities\":[\"states\",\"history\",\"gif\",\"morphology\","
    "\"cable\",\"traces\",\"learning\",\"operations\",\"hybrid\",\"eprop\",\"rtrl\",\"ostl\",\"three_factor\"],"
    "\"claims\":{},\"url\":null}";

static void call_start(const Thing *args)
{
    precision = field(args, "precision")->integer == 32 ? 32 : 64;
    put(START);
}

static const struct { const char *name; void (*answer)(const Thing *args); } CALLS[] = {
    {"start", call_start}, {"make", call_make}, {"kinds", call_kinds}, {"num_state", call_num_state},
    {"varshape", call_varshape}, {"read", call_read}, {"write", call_write}, {"get", call_get}, {"set", call_set},
    {"add_leaf", call_add_leaf}, {"copy", call_copy}, {"free", call_free}, {"history", call_history},
    {"write_all", call_write_all},
    {"gif_defaults", call_gif_defaults}, {"gif_initial", call_gif_initial}, {"gif_step", call_gif_step},
    {"gif_run", call_gif_run}, {"gif_jacobian", call_gif_jacobian},
    {"morphology", call_morphology}, {"site", call_site},
    {"cable_initial", call_cable_initial}, {"cable_step", call_cable_step}, {"cable_run", call_cable_run},
    {"cable_jacobian", call_cable_jacobian},
    {"traces", call_traces}, {"learn", call_learn}, {"learning_signals", call_learning_signals},
    {"reinforce", call_reinforce},
};

static void put_refusal(const char *id)
{
    answer.count = 0;
    put("{\"id\":");
    put(id);
    if (refusal_name) {
        put(",\"error\":{\"name\":");
        put_text(refusal_name);
        put(",\"message\":");
    } else {
        put(",\"unsupported\":{\"reason\":");
    }
    put_text(refusal_text);
    put("}}\n");
}

static char id_text[32]; /* of the question that is being answered */

static void answer_line(const char *line)
{
    cursor = line;
    Json *question = parse_json(0);
    const Json *id = member(question, "id"), *args = member(question, "args");
    const char *name = member_text(question, "call");
    if (id && id->kind == J_NUMBER && strlen(id->text) < sizeof id_text) strcpy(id_text, id->text);
    if (!name || !args) bad_json("it has no call, or no args");
    put("{\"id\":");
    put(id_text);
    put(",\"ok\":");
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        if (strcmp(CALLS[i].name, name)) continue;
        CALLS[i].answer(args->kind == J_OBJECT ? dict_thing(args) : &NO_THING);
        put("}\n");
        return;
    }
    unsupported(say("the call %s", name));
}

/* a line of any length, without its end; NULL where the input ends */
static char *read_line(void)
{
    static char *line;
    static size_t room;
    size_t n = 0;
    int c;
    while ((c = getchar()) != EOF && c != '\n') {
        if (n + 2 > room) {
            room = 2 * room + 4096;
            char *longer = realloc(line, room);
            if (!longer) { fputs("no memory for a question\n", stderr); exit(1); }
            line = longer;
        }
        line[n++] = (char)c;
    }
    if (c == EOF && !n) { free(line); return NULL; }
    if (!n) return "";
    line[n] = 0;
    return line;
}

/* answers one question; what refuses it jumps back to here */
static void answer_or_refuse(const char *line)
{
    static long long states_before;
    states_before = last_number;
    answer.count = 0;
    strcpy(id_text, "0");
    if (setjmp(back_to_loop) == 0) {
        answer_line(line);
    } else {
        if (last_number > states_before) drop_state(last_number); /* the state that was refused */
        put_refusal(id_text);
    }
    fwrite(answer.text, 1, answer.count, stdout);
    fflush(stdout);
    empty_arena(&call_memory);
}

int main(void)
{
    for (const char *line = read_line(); line; line = read_line()) answer_or_refuse(line);
    while (all_states) drop_state(all_states->number);
    free(answer.text);
    return 0;
}
