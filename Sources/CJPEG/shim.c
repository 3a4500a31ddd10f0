#include "CJPEG.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

// At a reduced scale a picture may have so many times the pixels that are allowed at full scale.
#define SCALED_MORE 10

// Pixels that all scans of a picture may go over together.
#define SCANNED_PIXELS ((size_t)2000 * 1000 * 1000)

// Errors: the message is kept and control goes back to the call that set `escape`.

// What `escape` is set with.
enum { ESCAPE_ERROR = 1, ESCAPE_SCANS = 2 };

struct error_manager {
  struct jpeg_error_mgr base; // first: libjpeg sees only this
  jmp_buf escape;
  char *message;
};

static void error_exit(j_common_ptr common) {
  struct error_manager *errors = (struct error_manager *)common->err;
  errors->base.format_message(common, errors->message);
  longjmp(errors->escape, ESCAPE_ERROR);
}

static void emit_nothing(j_common_ptr common, int level) {
  if (level < 0) common->err->num_warnings++;
}

static void output_nothing(j_common_ptr common) { (void)common; }

static struct jpeg_error_mgr *set_errors(struct error_manager *errors, char *message) {
  jpeg_std_error(&errors->base);
  errors->base.error_exit = error_exit;
  errors->base.emit_message = emit_nothing;
  errors->base.output_message = output_nothing;
  errors->message = message;
  message[0] = 0;
  return &errors->base;
}

// Source: all data are in memory, and where they end libjpeg suspends instead of inventing the
// end marker that jpeg_mem_src would give it. So truncated data are told from whole ones.

static void source_nothing(j_decompress_ptr decoder) { (void)decoder; }

static boolean suspend(j_decompress_ptr decoder) {
  (void)decoder;
  return FALSE;
}

static void skip(j_decompress_ptr decoder, long count) {
  if (count <= 0) return;
  struct jpeg_source_mgr *source = decoder->src;
  size_t step = (size_t)count < source->bytes_in_buffer ? (size_t)count : source->bytes_in_buffer;
  source->next_input_byte += step;
  source->bytes_in_buffer -= step;
}

// As Pillow's: `ink` is already inverted, so it is the light that is left.
static void light_from_ink(const unsigned char *ink, unsigned char *pixels, size_t count) {
  for (size_t i = 0; i < count; i++, ink += 4, pixels += 3) {
    for (int channel = 0; channel < 3; channel++) {
      unsigned black = ink[3];
      unsigned product = (255u - ink[channel]) * black + 128;
      pixels[channel] = (unsigned char)(black - ((product + (product >> 8)) >> 8));
    }
  }
}

struct decoding {
  struct jpeg_decompress_struct decoder;
  struct error_manager errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  int most_scans;
  unsigned char *pixels;
  unsigned char *ink;
};

// libjpeg calls this for every row of blocks of every scan.
static void limit_scans(j_common_ptr common) {
  struct decoding *job = (struct decoding *)common; // the decoder is its first member
  if (job->decoder.input_scan_number > job->most_scans) longjmp(job->errors.escape, ESCAPE_SCANS);
}

// Each scan goes over the whole picture, however few bytes it has: a picture of 100 megapixels may
// have 20, a smaller one up to 100. (Ordinary progressive files have about ten.)
static int most_scans(size_t pixels) {
  size_t count = SCANNED_PIXELS / (pixels ? pixels : 1);
  return count < 20 ? 20 : count > 100 ? 100 : (int)count;
}

// Scans that begin in the data from here on. (Within a scan FF is followed by no DA.)
static int scans_left(const struct jpeg_source_mgr *source) {
  int count = 0;
  for (size_t i = 0; i + 1 < source->bytes_in_buffer; i++) {
    count += source->next_input_byte[i] == 0xFF && source->next_input_byte[i + 1] == 0xDA;
  }
  return count;
}

// Bytes of the coefficients, which a picture of several scans keeps until the last.
static size_t coefficient_bytes(const struct jpeg_decompress_struct *decoder) {
  size_t bytes = 0;
  for (int i = 0; i < decoder->num_components; i++) {
    const jpeg_component_info *component = &decoder->comp_info[i];
    // Rounded up to whole groups of blocks.
    size_t columns = component->width_in_blocks + (size_t)component->h_samp_factor;
    size_t rows = component->height_in_blocks + (size_t)component->v_samp_factor;
    bytes += columns * rows * sizeof(JBLOCK);
  }
  return bytes;
}

// Halves the scale as long as the picture stays at least as large as `least`. (libjpeg has eighths,
// but only these have fast code.)
static void reduce_scale(struct jpeg_decompress_struct *decoder, struct cjpeg_size least) {
  unsigned scale = 8;
  decoder->scale_denom = 8;
  while (scale > 1) {
    decoder->scale_num = scale / 2;
    jpeg_calc_output_dimensions(decoder);
    if ((int)decoder->output_width < least.width) break;
    if ((int)decoder->output_height < least.height) break;
    scale /= 2;
  }
  decoder->scale_num = scale;
}

static enum cjpeg_status read_header(
    struct decoding *job, size_t maximum_pixels, struct cjpeg_size least,
    struct cjpeg_picture *picture) {
  struct jpeg_decompress_struct *decoder = &job->decoder;
  int found;
  do {
    found = jpeg_read_header(decoder, FALSE);
  } while (found == JPEG_HEADER_TABLES_ONLY);
  if (found == JPEG_SUSPENDED) return CJPEG_TRUNCATED;

  size_t pixels = (size_t)decoder->image_width * decoder->image_height;
  int several_scans = jpeg_has_multiple_scans(decoder);
  picture->width = (int)decoder->image_width;
  picture->height = (int)decoder->image_height;
  // All coefficients are kept whatever the scale; and the time is that of all pixels.
  int scalable = !several_scans && pixels <= maximum_pixels * SCALED_MORE;
  picture->scalable = scalable;
  if (pixels > maximum_pixels && !(least.width > 0 && scalable)) return CJPEG_TOO_LARGE;
  switch (decoder->num_components) {
  case 1:
  case 3:
    decoder->out_color_space = JCS_RGB;
    break;
  case 4:
    decoder->out_color_space = JCS_CMYK;
    break;
  default:
    picture->components = decoder->num_components;
    return CJPEG_COMPONENTS;
  }
  if (least.width > 0) {
    reduce_scale(decoder, least);
    decoder->dct_method = JDCT_IFAST;
    decoder->do_fancy_upsampling = FALSE;
  } else {
    decoder->dct_method = JDCT_ISLOW;
    decoder->do_fancy_upsampling = TRUE;
  }
  jpeg_calc_output_dimensions(decoder);
  size_t output = (size_t)decoder->output_width * decoder->output_height;
  if (output > maximum_pixels) {
    picture->scalable = 0;
    return CJPEG_TOO_LARGE;
  }
  picture->width = (int)decoder->output_width;
  picture->height = (int)decoder->output_height;
  picture->memory = output * 3;
  if (several_scans) {
    picture->memory += coefficient_bytes(decoder);
    job->most_scans = most_scans(pixels);
    job->progress.progress_monitor = limit_scans;
    decoder->progress = &job->progress;
  }
  return CJPEG_DONE;
}

static enum cjpeg_status start(struct decoding *job) {
  struct jpeg_decompress_struct *decoder = &job->decoder;
  job->pixels = malloc((size_t)decoder->output_width * decoder->output_height * 3);
  if (decoder->num_components == 4) job->ink = malloc((size_t)decoder->output_width * 4);
  if (!job->pixels || (decoder->num_components == 4 && !job->ink)) return CJPEG_MEMORY;
  return jpeg_start_decompress(decoder) ? CJPEG_DONE : CJPEG_TRUNCATED;
}

static enum cjpeg_status read_rows(struct decoding *job, struct cjpeg_picture *picture) {
  struct jpeg_decompress_struct *decoder = &job->decoder;
  size_t width = decoder->output_width;
  while (decoder->output_scanline < decoder->output_height) {
    unsigned char *out = job->pixels + decoder->output_scanline * width * 3;
    JSAMPROW row = job->ink ? job->ink : out;
    if (jpeg_read_scanlines(decoder, &row, 1) != 1) {
      picture->rows = (int)decoder->output_scanline;
      return CJPEG_TRUNCATED;
    }
    if (job->ink) light_from_ink(job->ink, out, width);
  }
  // All rows are there: a missing end marker is no loss.
  jpeg_finish_decompress(decoder);
  return CJPEG_DONE;
}

static enum cjpeg_status failure(struct decoding *job) {
  // Arithmetic coding cannot suspend: that is how it says that the data end.
  return job->errors.base.msg_code == JERR_CANT_SUSPEND ? CJPEG_TRUNCATED : CJPEG_FAILED;
}

void cjpeg_end(struct decoding *job) {
  jpeg_destroy_decompress(&job->decoder);
  free(job->ink);
  free(job->pixels);
  free(job);
}

enum cjpeg_status cjpeg_begin(
    const unsigned char *data, size_t size, size_t maximum_pixels, struct cjpeg_size least,
    struct cjpeg_picture *picture, struct decoding **begun) {
  memset(picture, 0, sizeof *picture);
  *begun = NULL;
  // On the heap, because locals changed after setjmp are undefined after longjmp.
  struct decoding *job = calloc(1, sizeof *job);
  if (!job) return CJPEG_MEMORY;
  job->decoder.err = set_errors(&job->errors, picture->message);
  enum cjpeg_status status;
  if (setjmp(job->errors.escape)) {
    status = failure(job);
  } else {
    jpeg_create_decompress(&job->decoder);
    job->source.next_input_byte = data;
    job->source.bytes_in_buffer = size;
    job->source.init_source = source_nothing;
    job->source.fill_input_buffer = suspend;
    job->source.skip_input_data = skip;
    job->source.resync_to_restart = jpeg_resync_to_restart;
    job->source.term_source = source_nothing;
    job->decoder.src = &job->source;
    status = read_header(job, maximum_pixels, least, picture);
  }
  if (status == CJPEG_DONE) {
    *begun = job;
  } else {
    cjpeg_end(job);
  }
  return status;
}

enum cjpeg_status cjpeg_decode(struct decoding *job, struct cjpeg_picture *picture) {
  job->errors.message = picture->message;
  enum cjpeg_status status;
  switch (setjmp(job->errors.escape)) {
  case 0:
    status = start(job);
    if (status == CJPEG_DONE) status = read_rows(job, picture);
    break;
  case ESCAPE_SCANS:
    picture->scans = job->decoder.input_scan_number + scans_left(&job->source);
    picture->most_scans = job->most_scans;
    status = CJPEG_SCANS;
    break;
  default:
    status = failure(job);
  }
  if (status == CJPEG_DONE) {
    picture->pixels = job->pixels;
    job->pixels = NULL;
  }
  return status;
}

struct encoding {
  struct jpeg_compress_struct encoder;
  struct error_manager errors;
};

enum cjpeg_status cjpeg_encode(
    const unsigned char *pixels, int width, int height, int quality, struct cjpeg_data *data) {
  memset(data, 0, sizeof *data);
  struct encoding *job = calloc(1, sizeof *job);
  if (!job) return CJPEG_MEMORY;
  job->encoder.err = set_errors(&job->errors, data->message);
  enum cjpeg_status status = CJPEG_DONE;
  if (setjmp(job->errors.escape)) {
    // libjpeg fails here for want of memory only, and then it alone knows its buffer: no free.
    status = CJPEG_FAILED;
  } else {
    struct jpeg_compress_struct *encoder = &job->encoder;
    jpeg_create_compress(encoder);
    jpeg_mem_dest(encoder, &data->bytes, &data->size);
    encoder->image_width = (JDIMENSION)width;
    encoder->image_height = (JDIMENSION)height;
    encoder->input_components = 3;
    encoder->in_color_space = JCS_RGB;
    jpeg_set_defaults(encoder);
    jpeg_set_quality(encoder, quality, TRUE);
    jpeg_start_compress(encoder, TRUE);
    while (encoder->next_scanline < encoder->image_height) {
      JSAMPROW row = (JSAMPROW)(pixels + (size_t)encoder->next_scanline * (size_t)width * 3);
      jpeg_write_scanlines(encoder, &row, 1);
    }
    jpeg_finish_compress(encoder);
  }
  jpeg_destroy_compress(&job->encoder);
  free(job);
  return status;
}
