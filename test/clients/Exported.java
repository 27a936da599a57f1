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
      Options options = Options.builder().server(System.getenv("NATS_URL")).sslContext(context).noReconnect().build();
      try (Connection client = Nats.connect(options)) {
        client.publish("exported", "java".getBytes());
        client.flush(Duration.ofSeconds(10));
      }
    }
  }
}
