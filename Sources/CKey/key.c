#include "CKey.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

// A certificate that never expires (RFC 5280, 4.1.2.5): nobody here looks at a clock.
static X509 *certificate_of(EVP_PKEY *key) {
  X509 *made = X509_new();
  if (!made) return NULL;
  X509_NAME *name = X509_get_subject_name(made);
  const unsigned char *text = (const unsigned char *)"dogsled";
  if (X509_set_version(made, X509_VERSION_3) &&
      ASN1_INTEGER_set(X509_get_serialNumber(made), 1) &&
      ASN1_TIME_set_string(X509_getm_notBefore(made), "20000101000000Z") &&
      ASN1_TIME_set_string(X509_getm_notAfter(made), "99991231235959Z") &&
      X509_set_pubkey(made, key) &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) &&
      X509_set_issuer_name(made, name) && X509_sign(made, key, EVP_sha256()))
    return made;
  X509_free(made);
  return NULL;
}

static int write_pem(struct ckey *key, EVP_PKEY *pair) {
  BIO *memory = BIO_new(BIO_s_mem());
  char *text;
  long size = 0;
  if (memory && PEM_write_bio_PKCS8PrivateKey(memory, pair, NULL, NULL, 0, NULL, NULL))
    size = BIO_get_mem_data(memory, &text);
  int fits = size > 0 && size <= CKEY_PEM_SIZE;
  if (fits) {
    memcpy(key->pem, text, size);
    key->pem_size = size;
  }
  BIO_free(memory);
  return fits;
}

static int write_certificate(struct ckey *key, EVP_PKEY *pair) {
  X509 *made = certificate_of(pair);
  if (!made) return 0;
  unsigned char *place = key->certificate;
  int size = i2d_X509(made, NULL);
  int fits = size > 0 && size <= CKEY_CERTIFICATE_SIZE;
  if (fits) key->certificate_size = i2d_X509(made, &place);
  X509_free(made);
  return fits;
}

static int write_fingerprint(struct ckey *key, EVP_PKEY *pair) {
  unsigned char *public = NULL;
  int size = i2d_PUBKEY(pair, &public);
  int done = size > 0 && ckey_sha256(public, size, key->fingerprint);
  OPENSSL_free(public);
  return done;
}

static int write_scalar(struct ckey *key, EVP_PKEY *pair) {
  BIGNUM *number = NULL;
  int done = EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_PRIV_KEY, &number) &&
             BN_bn2binpad(number, key->scalar, CKEY_SCALAR_SIZE) == CKEY_SCALAR_SIZE;
  BN_clear_free(number);
  return done;
}

static int fill(struct ckey *key, EVP_PKEY *pair) {
  int done = pair && write_pem(key, pair) && write_certificate(key, pair) &&
             write_fingerprint(key, pair) && write_scalar(key, pair);
  EVP_PKEY_free(pair);
  ERR_clear_error();
  return done;
}

int ckey_make(struct ckey *key) { return fill(key, EVP_EC_gen("P-256")); }

// Without it libcrypto would ask the terminal.
static int no_password(char *text, int size, int writing, void *data) {
  (void)text, (void)size, (void)writing, (void)data;
  return -1;
}

int ckey_read(struct ckey *key, const void *pem, size_t size) {
  BIO *memory = size <= 1 << 16 ? BIO_new_mem_buf(pem, (int)size) : NULL;
  EVP_PKEY *pair = memory ? PEM_read_bio_PrivateKey(memory, NULL, no_password, NULL) : NULL;
  BIO_free(memory);
  char group[32];
  if (pair && (!EVP_PKEY_is_a(pair, "EC") ||
               !EVP_PKEY_get_group_name(pair, group, sizeof group, NULL) ||
               strcmp(group, SN_X9_62_prime256v1))) {
    EVP_PKEY_free(pair);
    pair = NULL;
  }
  return fill(key, pair);
}

int ckey_fingerprint(const unsigned char *certificate, size_t size,
                     unsigned char fingerprint[CKEY_DIGEST_SIZE]) {
  X509 *read = size <= 1 << 20 ? d2i_X509(NULL, &certificate, (long)size) : NULL;
  unsigned char *public = NULL;
  // The bytes as they are in the certificate: the key itself is TLS's to understand.
  int length = read ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(read), &public) : 0;
  int done = length > 0 && ckey_sha256(public, length, fingerprint);
  OPENSSL_free(public);
  X509_free(read);
  ERR_clear_error();
  return done;
}

int ckey_sha256(const void *bytes, size_t size, unsigned char digest[CKEY_DIGEST_SIZE]) {
  return EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL);
}
