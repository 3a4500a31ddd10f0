// Keys and the certificates that TLS wants of them, made by libcrypto. Nothing here speaks TLS.
#ifndef CKEY_H
#define CKEY_H

#include <stddef.h>

enum {
  CKEY_PEM_SIZE = 512,         // more than a key's text has
  CKEY_CERTIFICATE_SIZE = 768, // more than a certificate's bytes are
  CKEY_DIGEST_SIZE = 32,       // SHA-256
  CKEY_SCALAR_SIZE = 32,       // the private number of a key
};

struct ckey {
  // The private key, as PKCS 8 in PEM.
  char pem[CKEY_PEM_SIZE];
  size_t pem_size;
  // A certificate of the key that the key itself has signed, as DER.
  unsigned char certificate[CKEY_CERTIFICATE_SIZE];
  size_t certificate_size;
  // SHA-256 of the public key, as DER has it with its algorithm (SubjectPublicKeyInfo).
  unsigned char fingerprint[CKEY_DIGEST_SIZE];
  // The private number, big-endian.
  unsigned char scalar[CKEY_SCALAR_SIZE];
};

// Makes a key of the curve P-256. Returns 0 where libcrypto cannot.
int ckey_make(struct ckey *key);

// Reads a key of the curve P-256 from PEM. Returns 0 where it is none, or has a password.
int ckey_read(struct ckey *key, const void *pem, size_t size);

// The fingerprint of the public key in a certificate's DER. Returns 0 where it is no certificate.
int ckey_fingerprint(const unsigned char *certificate, size_t size,
                     unsigned char fingerprint[CKEY_DIGEST_SIZE]);

// SHA-256 (FIPS 180-4). Returns 0 where libcrypto cannot.
int ckey_sha256(const void *bytes, size_t size, unsigned char digest[CKEY_DIGEST_SIZE]);

#endif
