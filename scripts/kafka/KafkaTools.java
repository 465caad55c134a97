import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's own command line tools one after the other in one JVM, because starting a JVM for each of them takes a
 * second of a processor.
 *
 * A command comes in on standard input: the number of its words and each word (the tool's name first), then what the tool
 * reads on its standard input, then how many milliseconds it may take. What goes out is the exit code, standard output and
 * standard error. Lengths and numbers are 32 bits, most significant byte first. The end of the input ends the program.
 */
class KafkaTools {
    private static final Map<String, String> MAINS = Map.of(
        "kafka-topics", "org.apache.kafka.tools.TopicCommand",
        "kafka-console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "kafka-console-producer", "org.apache.kafka.tools.ConsoleProducer",
        "kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand");

    /** The exit code of a tool that was given up. */
    private static final int TOOK_TOO_LONG = -1;

    private static CompletableFuture<Integer> exit;
    private static final List<Runnable> HOOKS = Collections.synchronizedList(new ArrayList<>());

    public static void main(String[] args) throws Exception {
        DataInputStream commands = new DataInputStream(new FileInputStream(FileDescriptor.in));
        DataOutputStream answers = new DataOutputStream(new FileOutputStream(FileDescriptor.out));
        Exit.setExitProcedure((code, message) -> leave(code));
        Exit.setHaltProcedure((code, message) -> leave(code));
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        while (true) {
            String[] words;
            try {
                words = new String[commands.readInt()];
            } catch (EOFException end) {
                Runtime.getRuntime().halt(0);
                return;
            }
            for (int i = 0; i < words.length; i++) {
                words[i] = new String(block(commands), StandardCharsets.UTF_8);
            }
            InputStream input = new ByteArrayInputStream(block(commands));
            run(words, input, commands.readInt(), answers);
            answers.flush();
        }
    }

    private static byte[] block(DataInputStream in) throws IOException {
        return in.readNBytes(in.readInt());
    }

    private static void run(String[] words, InputStream input, int patience, DataOutputStream answers) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        exit = new CompletableFuture<>();
        HOOKS.clear();
        System.setIn(input);
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        inBackground(() -> call(words));
        int code;
        try {
            code = exit.get(patience, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            code = TOOK_TOO_LONG;
        }
        // A producer sends what it still holds in such a hook.
        for (Runnable hook : List.copyOf(HOOKS)) {
            Thread running = inBackground(hook);
            running.join(patience);
        }
        System.out.flush();
        System.err.flush();
        answers.writeInt(code);
        for (ByteArrayOutputStream written : List.of(out, err)) {
            answers.writeInt(written.size());
            written.writeTo(answers);
        }
    }

    private static void call(String[] words) {
        String[] rest = java.util.Arrays.copyOfRange(words, 1, words.length);
        try {
            Class.forName(MAINS.get(words[0])).getMethod("main", String[].class).invoke(null, (Object) rest);
            exit.complete(0);
        } catch (java.lang.reflect.InvocationTargetException e) {
            // As the JVM tells of an exception that nobody caught.
            System.err.print("Exception in thread \"main\" ");
            e.getCause().printStackTrace();
            exit.complete(1);
        } catch (ReflectiveOperationException | RuntimeException e) {
            e.printStackTrace();
            exit.complete(1);
        }
    }

    /** Nothing of a tool runs on after it has exited. The thread is left behind asleep. */
    private static void leave(int code) {
        exit.complete(code);
        while (true) {
            java.util.concurrent.locks.LockSupport.park();
        }
    }

    private static Thread inBackground(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }
}
