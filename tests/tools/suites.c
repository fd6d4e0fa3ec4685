/* suites.c - runs public test suites, so that anyone can check the modules with files of their own.
 *
 *     suites json FILE...   whether json.c accepts each file: "accepts NAME" or "refuses NAME"
 *     suites utf8 FILE...   lines "NUMBER:valid:TEXT", "NUMBER:valid hex:BYTES" and
 *                           "NUMBER:invalid hex:BYTES:..." against json_is_utf8
 *     suites sha1 FILE...   response files (.rsp) of NIST's validation program: short messages,
 *                           long messages or Monte Carlo, against sha1.c
 *
 * The last line is `N passed, N failed`, except for json, where only the name of the file shows
 * what is right. suites.sh runs all suites of a folder.
 */
#include "json.h"
#include "sha1.h"

#include <stdio.h>
#include <stdlib.h>

static int passed, failed;

static void check(bool holds, const char *what) {
    passed += holds;
    failed += !holds;
    if (!holds) printf("FAIL %s\n", what);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A whole file, in memory that ends where the text does, so that a sanitizer sees an over-read. */
static struct text read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    long len = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *text = len >= 0 ? malloc(len > 0 ? (size_t)len : 1) : NULL;
    if (text) rewind(file);
    if (!text || fread(text, 1, (size_t)len, file) != (size_t)len) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return (struct text){text, (size_t)len, (size_t)len, false};
}

/* Decodes the digits of `hex`, with or without blanks between them. Returns the number of bytes. */
static size_t read_hex(struct str hex, unsigned char *to) {
    size_t digits = 0;
    for (size_t i = 0; i < hex.len; i++) {
        char digit[2] = {hex.s[i], '\0'};
        if (strchr(" \r", digit[0])) continue;
        unsigned value = (unsigned)strtoul(digit, NULL, 16);
        to[digits / 2] = (unsigned char)(digits % 2 ? to[digits / 2] | value : value << 4);
        digits++;
    }
    return digits / 2;
}

/* ---- json ---- */

static void run_json(const char *path) {
    struct text text = read_file(path);
    bool valid = json_check(text_str(&text)) != JSON_INVALID;
    printf("%s %s\n", valid ? "accepts" : "refuses", base_name(path));
    free(text.s);
}

/* ---- utf8 ---- */

static void run_utf8_line(struct str line) {
    unsigned char bytes[1024];
    char name[32] = "";
    struct str number = str_split(&line, ':'), kind = str_split(&line, ':');
    struct str text = str_split(&line, ':');
    if (text.len > sizeof bytes) return;
    while (kind.len > 0 && kind.s[0] == ' ') kind = (struct str){kind.s + 1, kind.len - 1};
    memcpy(name, number.s, number.len < sizeof name ? number.len : sizeof name - 1);
    if (!str_equal(kind, STR("valid")))
        text = (struct str){(const char *)bytes, read_hex(text, bytes)};
    check(json_is_utf8(text) == !str_equal(kind, STR("invalid hex")), name);
}

static void run_utf8(const char *path) {
    struct text text = read_file(path);
    struct str rest = text_str(&text);
    while (rest.len > 0) {
        struct str line = str_split(&rest, '\n');
        if (line.len > 1 && line.s[0] != '#') run_utf8_line(line);
    }
    free(text.s);
}

/* ---- sha1 ---- */

/* What the lines of a response file contained so far. */
struct vector {
    size_t bits;
    unsigned char *message; /* as large as the file, which is enough */
    unsigned char seed[SHA1_SIZE], digest[SHA1_SIZE];
    bool is_monte_carlo;
};

/* A thousand digests, each of the three before it. The last one is the next seed. */
static void run_monte_carlo(unsigned char seed[SHA1_SIZE]) {
    unsigned char three[3][SHA1_SIZE];
    struct sha1 sha1;
    for (int i = 0; i < 3; i++) memcpy(three[i], seed, SHA1_SIZE);
    for (int i = 0; i < 1000; i++) {
        sha1_init(&sha1);
        sha1_update(&sha1, three, sizeof three);
        memmove(three[0], three[1], 2 * SHA1_SIZE);
        sha1_final(&sha1, three[2]);
    }
    memcpy(seed, three[2], SHA1_SIZE);
}

static void run_vector(struct vector *vector, const char *name) {
    unsigned char digest[SHA1_SIZE];
    struct sha1 sha1;
    if (vector->is_monte_carlo) {
        run_monte_carlo(vector->seed);
        memcpy(digest, vector->seed, sizeof digest);
    } else {
        sha1_init(&sha1);
        sha1_update(&sha1, vector->message, vector->bits / 8);
        sha1_final(&sha1, digest);
    }
    check(memcmp(digest, vector->digest, sizeof digest) == 0, name);
}

static void read_sha1_line(struct vector *vector, struct str line, const char *name) {
    struct str value = line, key = str_split(&value, '=');
    if (str_equal(key, STR("Len "))) vector->bits = strtoul(value.s, NULL, 10);
    if (str_equal(key, STR("Msg "))) read_hex(value, vector->message);
    if (str_equal(key, STR("Seed ")))
        vector->is_monte_carlo = read_hex(value, vector->seed) == SHA1_SIZE;
    if (!str_equal(key, STR("MD "))) return;
    read_hex(value, vector->digest);
    run_vector(vector, name);
}

static void run_sha1(const char *path) {
    struct text text = read_file(path);
    struct str rest = text_str(&text);
    struct vector vector = {.message = malloc(text.len + 1)};
    if (!vector.message) exit(1);
    for (int number = 1; rest.len > 0; number++) {
        char name[300];
        snprintf(name, sizeof name, "%.256s:%d", path, number);
        read_sha1_line(&vector, str_split(&rest, '\n'), name);
    }
    free(vector.message);
    free(text.s);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(const char *path);
    } suites[] = {{"json", run_json}, {"utf8", run_utf8}, {"sha1", run_sha1}};
    for (size_t i = 0; argc > 2 && i < sizeof suites / sizeof *suites; i++) {
        if (strcmp(argv[1], suites[i].name) != 0) continue;
        for (int file = 2; file < argc; file++) suites[i].run(argv[file]);
        if (suites[i].run != run_json) printf("%d passed, %d failed\n", passed, failed);
        return failed > 0;
    }
    fputs("usage: suites json|utf8|sha1 FILE...\n", stderr);
    return 2;
}
