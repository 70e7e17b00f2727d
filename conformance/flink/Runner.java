import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs scripts on one Flink cluster inside this process. Argument: a file of folders, one a line; each holds case.sql and gets
 * outcome.txt: "ok", or "refused" or "failed" and the messages of the exception and its causes, one a line.
 */
public final class Runner {
    private Runner() {}

    /** Starts the cluster, runs every folder's script, stops. */
    public static void main(String[] arguments) throws Exception {
        Configuration configuration = new Configuration();
        configuration.setString("rest.address", "127.0.0.1");
        configuration.setString("rest.bind-address", "127.0.0.1");
        configuration.setString("rest.bind-port", "0");
        configuration.setString("taskmanager.memory.network.min", "96m");
        configuration.setString("taskmanager.memory.network.max", "96m");
        MiniClusterConfiguration shape = new MiniClusterConfiguration.Builder()
                .setConfiguration(configuration).setNumTaskManagers(1).setNumSlotsPerTaskManager(16).build();
        try (MiniCluster cluster = new MiniCluster(shape)) {
            cluster.start();
            int port = cluster.getRestAddress().get().getPort();
            for (String folder : Files.readAllLines(Path.of(arguments[0]))) {
                String outcome = outcome(Path.of(folder), port);
                Files.writeString(Path.of(folder, "outcome.txt"), outcome);
                System.out.println(Path.of(folder).getFileName() + ": " + outcome.lines().findFirst().orElse(""));
            }
        }
        System.exit(0);
    }

    private static String outcome(Path folder, int port) throws IOException {
        List<String> statements = Script.statements(Files.readString(folder.resolve("case.sql")));
        boolean[] started = {false};
        try {
            TableEnvironment tables = environment(statements, port);
            for (String statement : statements) {
                execute(tables, Script.rooted(statement, folder.toString()), started);
            }
            return "ok\n";
        } catch (Throwable thrown) {
            StringBuilder text = new StringBuilder(started[0] ? "failed\n" : "refused\n");
            for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
                text.append(cause.getClass().getSimpleName()).append(": ").append(oneLine(cause.getMessage())).append('\n');
            }
            return text.toString();
        }
    }

    private static TableEnvironment environment(List<String> statements, int port) {
        Configuration configuration = new Configuration();
        configuration.setString("execution.target", "remote");
        configuration.setString("rest.address", "127.0.0.1");
        configuration.setString("rest.port", String.valueOf(port));
        configuration.setString("parallelism.default", "1");
        configuration.setString("table.local-time-zone", "UTC");
        configuration.setString("restart-strategy.type", "none");
        for (String statement : statements) {
            String[] option = Script.option(statement);
            if (option != null && option[0].equals("execution.runtime-mode")) {
                configuration.setString(option[0], option[1]);
            }
        }
        TableEnvironment tables =
                TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(configuration).build());
        tables.createTemporarySystemFunction("GEOHASH", hailstream.functions.Geohash.class);
        return tables;
    }

    private static void execute(TableEnvironment tables, String statement, boolean[] started)
            throws InterruptedException, ExecutionException {
        String[] option = Script.option(statement);
        if (option == null) {
            TableResult result = tables.executeSql(statement);
            started[0] = result.getJobClient().isPresent();
            if (started[0]) {
                result.await();
                started[0] = false;
            }
        } else if (option[1] == null) {
            tables.getConfig().getConfiguration().removeKey(option[0]);
        } else {
            tables.getConfig().set(option[0], option[1]);
        }
    }

    private static String oneLine(String message) {
        return message == null ? "" : message.replaceAll("\\s+", " ").trim();
    }
}
