// libjpeg behind calls that Swift can make: errors come back as a status and a text, by
// setjmp inside the shim, and nothing is ever printed.
#ifndef CJPEG_H
#define CJPEG_H

#include <stddef.h>

enum cjpeg_status {
  CJPEG_DONE = 0,
  CJPEG_FAILED = 1,     // libjpeg gave up: the message says why
  CJPEG_TRUNCATED = 2,  // the data end before the picture does
  CJPEG_TOO_LARGE = 3,  // more pixels than allowed: width and height are set
  CJPEG_COMPONENTS = 4, // neither 1, 3 nor 4 components
  CJPEG_MEMORY = 5,
  CJPEG_SCANS = 6, // more scans than allowed: scans and most_scans are set
};

// JMSG_LENGTH_MAX of jpeglib.h.
#define CJPEG_MESSAGE_SIZE 200

struct cjpeg_picture {
  // 3 bytes each, rows from the top; to be freed with free().
  unsigned char *pixels;
  int width;
  int height;
  int components;
  // Rows that were there, where the data are truncated.
  int rows;
  // Whether a picture that is too large can be read at a reduced scale.
  int scalable;
  int scans;
  int most_scans;
  // Bytes that decoding will allocate, the pixels among them.
  size_t memory;
  char message[CJPEG_MESSAGE_SIZE];
};

struct cjpeg_size {
  int width;
  int height;
};

// A picture whose header is read.
struct decoding;

// Reads the header of a JPEG, which is to be decoded to RGB as Pillow's convert("RGB") does:
// accurate integer DCT, fancy upsampling, greyscale repeated, CMYK and YCCK taken to be inverted as
// Adobe writes them.
//
// With `least` above 0 it will be decoded fast instead: at the smallest of the scales 1, 1/2, 1/4
// and 1/8 at which the picture is at least so large (at 1 where it is smaller itself), with the
// less accurate DCT and plain upsampling. `maximum_pixels` is then for the scaled picture, which
// may have ten times as many itself.
//
// `data` must stay until cjpeg_end, which is to be called for what CJPEG_DONE leaves in `begun`;
// width, height and memory are set then.
enum cjpeg_status cjpeg_begin(
    const unsigned char *data, size_t size, size_t maximum_pixels, struct cjpeg_size least,
    struct cjpeg_picture *picture, struct decoding **begun);

// Decodes what cjpeg_begin began, once. Corrupt data that libjpeg only warns of are decoded; pixels
// is NULL unless CJPEG_DONE is returned.
enum cjpeg_status cjpeg_decode(struct decoding *begun, struct cjpeg_picture *picture);

void cjpeg_end(struct decoding *begun);

// A JPEG file's bytes; to be freed with free().
struct cjpeg_data {
  unsigned char *bytes;
  unsigned long size;
  char message[CJPEG_MESSAGE_SIZE];
};

// Encodes RGB pixels as baseline JPEG, 4:2:0, quality 1 to 100; width and height 1 to 65500.
enum cjpeg_status cjpeg_encode(
    const unsigned char *pixels, int width, int height, int quality, struct cjpeg_data *data);

#endif
