// Connects with the PKCS#12 files that `natspki export` wrote, each as key store and as trust store.
import io.nats.client.Connection;
import io.nats.client.Nats;
import io.nats.client.Options;
import java.io.FileInputStream;
import java.security.KeyStore;
import java.time.Duration;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Exported {
  public static void main(String[] files) throws Exception {
    char[] password = "secret word".toCharArray();
    for (String file : files) {
      KeyStore store = KeyStore.getInstance("PKCS12");
      try (FileInputStream stream = new FileInputStream(file)) {
        store.load(stream, password);
      }
      KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(store, password);
      TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(store);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
      Duration limit = Duration.ofSeconds(20);
      Options options =
          Options.builder()
              .server(System.getenv("NATS_URL"))
              .sslContext(context)
              .connectionTimeout(limit)
              .noReconnect()
              .build();
      try (Connection client = connect(options, 5)) {
        client.publish("exported", "java".getBytes());
        client.flush(limit);
      }
    }
  }

  /** The first handshake of a machine under load may take longer than the server waits. */
  private static Connection connect(Options options, int attempts) throws Exception {
    try {
      return Nats.connect(options);
    } catch (java.io.IOException error) {
      if (attempts == 1) throw error;
      return connect(options, attempts - 1);
    }
  }
}
